"""What a checkpoint costs training: how long a save blocks, and how much it slows the steps behind.

All ways of saving take turns, round by round, in one process, with the same state: a model's and
Adam's, 768 tensors. Each turn: steps of training alone; a save; the state is overwritten at once;
steps until the file is written. What was written is loaded and compared each round, outside the
timing. A first round makes buffers and is not counted.

    blocked   the call of save
    x copy    blocked / time of a memory copy right before: of the state's tensors, by torch's
              copy_, into buffers that are there already, with one thread or all (the faster)
    total     until the file is written (and synced, where the row says so)
    slowed    mean step while the file is written / mean step before, less 1
    lost      training time that one save costs: blocked + what the slowed steps took longer

Steps are those of a simulated accelerator of --step-ms (a tenth of it Python, the rest waiting), or
with --step cpu those of a small network on one thread.

    python benchmarks/checkpoint.py [--mb 100 500 2000] [--rounds N] [--step cpu] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _support import machine, report, savers, training


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mb", type=float, nargs="+", default=[100], metavar="MB",
                        help="sizes of the state (default: 100)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--step", choices=("simulated", "cpu"), default="simulated")
    parser.add_argument("--step-ms", type=float, default=10.0, metavar="MS")
    parser.add_argument("--only", nargs="+", choices=list(savers.SAVERS), metavar="NAME",
                        help=f"only these: {' '.join(savers.SAVERS)}")  # fmt: skip
    parser.add_argument("--folder", type=Path, help="where to write (default: /tmp)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def mean_seconds(step: Callable[[], None], count: int) -> float:
    """Mean time of some steps."""
    started = time.perf_counter()
    for _ in range(count):
        step()
    return (time.perf_counter() - started) / count


def copy_seconds(state: dict[str, Any], buffers: list[torch.Tensor]) -> float:
    """A memory copy of the state: the faster of one thread and all."""
    tensors = training.tensors_of(state)
    found = []
    for threads in {1, len(os.sched_getaffinity(0))}:
        torch.set_num_threads(threads)
        started = time.perf_counter()
        for buffer, tensor in zip(buffers, tensors, strict=True):
            buffer.copy_(tensor)
        found.append(time.perf_counter() - started)
    return min(found)


def turn(
    saver: savers.Saver,
    state: dict[str, Any],
    buffers: list[torch.Tensor],
    step: Callable[[], None],
    number: int,
) -> dict[str, float]:
    """One save in the middle of training, verified."""
    training.fill(state, number)
    os.sync()  # nobody pays for what another left in the page cache
    gc.collect()
    torch.set_num_threads(1)  # steps leave the other cores to the background
    before = mean_seconds(step, 20)
    copied = copy_seconds(state, buffers)
    torch.set_num_threads(len(os.sched_getaffinity(0)))  # the save, too, may use them all
    started = time.perf_counter()
    saver.save(state, number)
    blocked = time.perf_counter() - started
    torch.set_num_threads(1)
    for tensor in training.tensors_of(state):
        tensor.fill_(-1)
    behind = time.perf_counter()
    steps = 0
    while not saver.done():
        step()
        steps += 1
    during = time.perf_counter() - behind
    saver.finish()
    total = time.perf_counter() - started
    wrong = training.differing(saver.load(number), number)
    if wrong:
        raise SystemExit(f"{saver.label}: {wrong} tensors are not as they were saved")
    slowed = during / steps / before - 1 if steps else 0.0
    lost = blocked + max(0.0, during - steps * before)
    return {
        "copy": copied, "blocked": blocked, "copies": blocked / copied, "total": total,
        "slowed": slowed, "lost": lost, "steps": steps,
    }  # fmt: skip


def measure(
    options: argparse.Namespace, mb: float, folder: Path
) -> tuple[dict[str, list[dict[str, float]]], dict[str, Any]]:
    """All rounds of one size: figures by saver, and the state's own."""
    state = training.make_state(int(mb * 1e6))
    tensors = training.tensors_of(state)
    size_bytes = sum(tensor.nbytes for tensor in tensors)
    buffers = [tensor.clone() for tensor in tensors]
    is_cpu = options.step == "cpu"
    step = training.cpu_step() if is_cpu else training.simulated_step(options.step_ms)
    savers.Dcp.empty = staticmethod(lambda: training.make_state(int(mb * 1e6)))
    names = [name for name in savers.SAVERS if not options.only or name in options.only]
    rows = {name: savers.SAVERS[name](folder / name) for name in names}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    try:
        for number in range(options.rounds + 1):
            turned = number % len(names)
            for name in names[turned:] + names[:turned]:
                figures = turn(rows[name], state, buffers, step, number)
                if number:
                    found[name].append(figures)
    finally:
        for saver in rows.values():
            saver.close()
        shutil.rmtree(folder)
    about = {"state_bytes": size_bytes, "tensors": len(tensors)}
    return found, about


def show(
    options: argparse.Namespace, found: dict[str, list[dict[str, float]]], about: dict[str, Any]
) -> None:
    """Print one size's table."""

    def cell(rounds: list[dict[str, float]], key: str, scale: float, form: str) -> str:
        values = sorted(figures[key] * scale for figures in rounds)
        middle = statistics.median(values)
        return f"{middle:{form}} ({values[0]:{form}}-{values[-1]:{form}})"

    lines = []
    for name, rounds in found.items():
        saver = savers.SAVERS[name]
        lines.append(
            [
                saver.label + ("" if saver.durable else " *"),
                cell(rounds, "blocked", 1000, ".0f"),
                cell(rounds, "copies", 1, ".2f"),
                cell(rounds, "total", 1000, ".0f"),
                cell(rounds, "slowed", 100, ".0f"),
                cell(rounds, "lost", 1000, ".0f"),
            ]
        )
    copied = [figures["copy"] * 1000 for rounds in found.values() for figures in rounds]
    report.table(
        f"{about['state_bytes'] / 1e6:.0f} MB in {about['tensors']} tensors, a memory copy "
        f"{statistics.median(copied):.0f} ms; {options.step} steps; medians of "
        f"{options.rounds} interleaved rounds (lowest-highest)",
        ["", "blocked ms", "x copy", "total ms", "slowed %", "lost ms"],
        lines,
    )
    print("* not synced: a power cut may take the file although the call has returned")


def main() -> None:
    """Measure and report."""
    options = arguments()
    warnings.filterwarnings("ignore")  # DCP's and Lightning's, about themselves
    result = []
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="checkpoint-") as scratch:
        for mb in options.mb:
            folder = Path(scratch) / f"{mb:g}"
            folder.mkdir()
            found, about = measure(options, mb, folder)
            show(options, found, about)
            result.append(about | {"rows": found})
    if options.json:
        content = {
            "benchmark": "checkpoint",
            "machine": machine.machine(),
            "versions": machine.versions("fastload", "torch", "lightning", "numpy"),
            "commit": machine.commit(Path(__file__).parent),
            "step": options.step,
            "step_ms": options.step_ms,
            "sizes": result,
        }
        report.write_json(options.json, content)


if __name__ == "__main__":
    main()
