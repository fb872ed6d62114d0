"""Images a second of whole loaders, side by side in one run, and what they cost.

Every loader runs in a process of its own, with as many workers (processes or threads), on the same
photos in a warm page cache, and gives batches of float32 [64, 3, 224, 224], normalized.

    train: RandomResizedCrop(224), horizontal flip, ToTensor, Normalize; shuffled
    val:   Resize(256), CenterCrop(224), ToTensor, Normalize; in order

Round by round each gets its turn while all others are stopped: it warms up, then batches are
counted for --seconds. Rates and ratios are medians over the rounds. The photos are repeated, so
that no epoch ends within a turn.

Before anything is timed, values are compared. fastload must give torch + PIL's bits (val: the same
images; train: torchvision's functions on the crops that fastload drew); of the others, the
deviation is reported.

    benchmarks/setup_peers                once: the others, in environments of their own
    python benchmarks/throughput.py --images DIR [--json FILE] [--picture FILE.png]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _support import deviation, layout, machine, photos, report, results
from peers import rows
from peers.protocol import Job
from peers.runner import Peer, PeerError

ROOT = Path(__file__).parents[1]


def arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = len(os.sched_getaffinity(0))
    keys = [row.module for row in rows.ROWS]
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=int, default=2000, metavar="N",
                        help="at most N of them, evenly spread (default: 2000)")  # fmt: skip
    parser.add_argument("--mode", choices=("train", "val", "both"), default="both")
    parser.add_argument("--workers", type=int, default=cores, metavar="N",
                        help="processes or threads (default: the cores)")  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--seconds", type=float, default=4.0, help="counted each turn")
    parser.add_argument("--epoch", type=int, default=100_000, metavar="N",
                        help="images an epoch, by repetition (default: 100,000)")  # fmt: skip
    parser.add_argument("--only", nargs="+", choices=keys, metavar="NAME",
                        help=f"only these beside the base: {' '.join(keys)}")  # fmt: skip
    parser.add_argument("--disturb", action="store_true",
                        help="also: how much a counting thread in the process is slowed by "
                        "fastload on the cores less one")  # fmt: skip
    parser.add_argument("--peers", type=Path, default=ROOT / "build" / "peers", metavar="DIR",
                        help="where setup_peers put the environments")  # fmt: skip
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="for copies (default: /tmp)")
    parser.add_argument("--timeout", type=float, default=300, metavar="SECONDS",
                        help="for a loader's start (default: 300)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    return parser, parser.parse_args()


def start(
    options: argparse.Namespace, job: Job
) -> tuple[dict[str, Peer], dict[str, str], dict[str, Any]]:
    """Start every loader and compare what it gives.

    Returns:
        Those that run, why others do not, and how far values are from torch + PIL's.
    """
    running: dict[str, Peer] = {}
    left_out: dict[str, str] = {}
    compared: dict[str, Any] = {}
    for row in rows.ROWS:
        if options.only and row.module not in {*options.only, rows.BASE}:
            continue
        if job.mode not in row.modes:
            left_out[row.label] = f"does not do {job.mode}"
            continue
        name = f"{row.module}.{job.mode}"
        own = replace(job, outputs=str(Path(job.scratch) / f"{name}.npy"))
        print(f"{job.mode}: starting {row.label}", file=sys.stderr)
        python = row.python(options.peers, Path(sys.executable))
        try:
            peer = Peer(row.module, python, own, name, options.timeout)
        except PeerError as error:
            if row.environment is None:
                close(running)
                raise SystemExit(f"{row.label}: {error}") from None
            left_out[row.label] = reason(options.peers, row.environment, str(error))
            continue
        running[row.module] = peer
        outputs = np.load(own.outputs)
        problem = deviation.plausible(outputs)
        if not problem and job.mode == "val":
            base = np.load(Path(job.scratch) / f"{rows.BASE}.val.npy")
            compared[row.module] = deviation.deviation(outputs, base)
            if row.exact and not compared[row.module]["bit_equal"]:
                problem = f"not the bits of torch + PIL: {compared[row.module]}"
        if problem and row.exact:
            close(running)
            raise SystemExit(f"{row.label}: {problem}")
        if problem:
            running.pop(row.module).close()
            left_out[row.label] = problem
    return running, left_out, compared


def reason(peers: Path, environment: str, error: str) -> str:
    """Why a loader does not run: what setup_peers noted, where it could not install it."""
    note = peers / f"{environment}.problem"
    return f"not installed: {note.read_text().strip()}" if note.exists() else error


def close(running: dict[str, Peer]) -> None:
    """End all."""
    for peer in running.values():
        peer.close()


def measure(
    options: argparse.Namespace, running: dict[str, Peer], left_out: dict[str, str]
) -> dict[str, list[dict[str, Any]]]:
    """Ask each loader once a round; the order turns by one each round.

    A loader that stops answering is left out, with the reason.
    """
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in running}
    for number in range(options.rounds):
        names = list(running)
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            try:
                turns[name].append(running[name].ask("measure", options.seconds))
            except PeerError as error:
                left_out[name] = str(error)
                running.pop(name).close()
                del turns[name]
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    return turns


def disturbance(options: argparse.Namespace, job: Job) -> dict[str, Any]:
    """How much a thread's own Python work is slowed, with one core left to it."""
    workers = max(1, options.workers - 1)
    found = {}
    for row in rows.ROWS:
        if row.module not in (rows.BASE, rows.STORE):
            continue
        name = f"{row.module}.disturb"
        own = replace(job, workers=workers, outputs=str(Path(job.scratch) / f"{name}.npy"))
        peer = Peer(row.module, Path(sys.executable), own, name, options.timeout)
        try:
            found[row.module] = peer.ask("disturb", max(5.0, options.seconds))
        finally:
            peer.close()
    return found


def main() -> None:
    """Measure and report."""
    parser, options = arguments()
    # Ended from outside, no stopped process may stay behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found, unsound = photos.find([options.images], options.photos)
    if len(found) < 2:
        parser.error(f"expected JPEG photos below {options.images}, found {len(found)}")
    print(photos.sentence(found) + f"; {len(unsound)} unsound ones left out")
    modes = ("train", "val") if options.mode == "both" else (options.mode,)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="throughput-") as folder:
        scratch = Path(folder)
        root, store = scratch / "images", scratch / "photos.lmdb"
        files = layout.image_folder(found, options.images, root)
        layout.store_of(root, store)
        layout.warm([*files, str(store)])
        repeat = max(1, -(-options.epoch // len(files)))
        repeat = max(repeat, -(-2 * options.batch_size // len(files)))
        job = Job(
            mode="", root=str(root), files=files, store=str(store), scratch=folder,
            workers=options.workers, batch_size=options.batch_size, repeat=repeat,
            check=min(len(files), 2 * options.batch_size), outputs="",
        )  # fmt: skip
        for mode in modes:
            running, left_out, compared = start(options, replace(job, mode=mode))
            try:
                ready = {name: peer.ready for name, peer in running.items()}
                turns = measure(options, running, left_out)
            finally:
                close(running)
            result[mode] = results.summary(turns, ready, compared, left_out)
            results.show(mode, options, result[mode])
        if options.disturb:
            result["disturbance"] = disturbance(options, replace(job, mode="train"))
            results.show_disturbance(result["disturbance"])
        store_share = store.stat().st_size / sum(len(photo.data) for photo in found)
    if options.json:
        content = {
            "benchmark": "throughput",
            "machine": machine.machine(),
            "versions": machine.versions("fastload", "numpy"),
            "commit": machine.commit(ROOT),
            "photos": photos.describe(found) | {"store_bytes_share": store_share},
            "options": {
                name: getattr(options, name)
                for name in ("workers", "batch_size", "rounds", "seconds", "epoch")
            },
        }
        report.write_json(options.json, content | result)
    if options.picture:
        results.draw(options, photos.sentence(found), {mode: result[mode] for mode in modes})


if __name__ == "__main__":
    main()
