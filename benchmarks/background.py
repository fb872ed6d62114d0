"""What a plot costs training: drawn in its way, in a background thread, in a background process.

All ways take turns, round by round. Each turn: steps of training alone; the plot is asked for;
steps until it is there, checked to be a whole PNG. Steps are those of a simulated accelerator of
--step-ms (a tenth of it Python, the rest waiting).

    asked     the call that asks for the plot
    total     until it is there
    slowed    mean step meanwhile / mean step before, less 1
    lost      training time that one plot costs: asked + what the slowed steps took longer

    python benchmarks/background.py [--rounds N] [--step-ms MS] [--json FILE]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _support import machine, plots, report, training

from fastload import BackgroundWorker

ALONE = 30  # steps


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--step-ms", type=float, default=10.0, metavar="MS")
    parser.add_argument("--classes", type=int, default=30, metavar="N", help="of the plot")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


class InTheWay:
    """No background at all."""

    def submit(self, function: Callable[..., Any], *args: Any) -> None:
        """Do it now."""
        function(*args)


def turn(worker: Any, step: Callable[[], None], matrix: Any, path: Path) -> dict[str, float]:
    """One plot in the middle of training."""
    path.unlink(missing_ok=True)
    started = time.perf_counter()
    for _ in range(ALONE):
        step()
    before = (time.perf_counter() - started) / ALONE
    started = time.perf_counter()
    job = worker.submit(plots.draw, matrix, str(path))
    asked = time.perf_counter() - started
    behind, steps = time.perf_counter(), 0
    while job is not None and not job.done():
        step()
        steps += 1
    during = time.perf_counter() - behind
    if job is not None:
        job.result()
    if not plots.is_png(path):
        raise SystemExit(f"{path} is no whole PNG")
    return {
        "asked": asked,
        "total": asked + during,
        "slowed": during / steps / before - 1 if steps else 0.0,
        "lost": asked + max(0.0, during - steps * before),
    }


def main() -> None:
    """Measure and report."""
    options = arguments()
    step = training.simulated_step(options.step_ms)
    shape = (options.classes, options.classes)
    matrix = np.random.default_rng(0).poisson(20, shape).astype(float)
    rounds: dict[str, list[dict[str, float]]] = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        BackgroundWorker() as thread,
        BackgroundWorker(executor="process") as process,
    ):
        ways = {"in the way": InTheWay(), "thread": thread, "process": process}
        for number in range(-1, options.rounds):
            for name, worker in ways.items():
                found = turn(worker, step, matrix, Path(folder) / "plot.png")
                if number >= 0:  # the first one imports matplotlib
                    rounds.setdefault(name, []).append(found)
    median = {
        name: {key: statistics.median(turn[key] for turn in turns) for key in turns[0]}
        for name, turns in rounds.items()
    }
    report.table(
        f"a plot of {options.classes} classes, steps of {options.step_ms:g} ms, "
        f"medians of {options.rounds} rounds",
        ["", "asked ms", "total ms", "slowed", "lost ms"],
        [
            [
                name, f"{1e3 * row['asked']:.1f}", f"{1e3 * row['total']:.0f}",
                f"{row['slowed']:+.1%}", f"{1e3 * row['lost']:.1f}",
            ]
            for name, row in median.items()
        ],
    )  # fmt: skip
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "background",
                "machine": machine.machine(),
                "versions": machine.versions("fastload", "matplotlib", "torch"),
                "options": {"rounds": options.rounds, "step_ms": options.step_ms},
                "results": {
                    name: {"median": median[name], "rounds": turns}
                    for name, turns in rounds.items()
                },
            },
        )


if __name__ == "__main__":
    main()
