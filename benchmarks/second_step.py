"""An epoch's second step (validation, metrics, plots, checkpoint, logs), stock beside fastload.

Two processes train and validate on the same photos, epoch by epoch in turn (each is stopped, with
all its threads and children, while it is another's turn), and a third trains with fastload and
nothing else, for what a second step's background work costs training.

    stock     torch's DataLoader with persistent workers, torchvision's ImageFolder and transforms,
              then metrics, plots, CSV and TensorBoard (where installed) and torch.save, one after
              the other on the training thread, as YOLOv5's train.py has them
    fastload  the same loop and functions, with LMDBDataset and fastload's DataLoader with a
              validation cache, overlap_validation, BackgroundWorker and AsyncCheckpointer

The model is simulated: a step of a batch takes --step-ms, a forward pass --val-step-ms, of which
the thread is busy for a tenth (CPU time) and waits for the rest without a core; each batch is read
once, for its checksum, where a real one would be copied to the device. With --step cpu it is a
small network on one thread.

    train       waiting for batches, and steps
    val wait    waiting for validation's batches
    forward     of validation
    metrics     top-1, top-5, confusion, average precision of each class; on fastload's side top-1,
                which decides what is best, and handing over the rest
    plots       three pictures an epoch
    logs        CSV, TensorBoard
    checkpoint  last and best (a copy, and no wait, on fastload's side)

Verified in each run: all batches of all validation epochs have the same checksums on both sides,
the pictures, CSV and TensorBoard's values are the same, and checkpoints load and hold what was
saved. What is still being written when the last epoch ends is waited for and reported.

    python benchmarks/second_step.py --images DIR [--json FILE] [--picture FILE.png]
    python benchmarks/second_step.py --images DIR --without overlap --without cache checkpoint
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from _support import layout, machine, photos, report, second_step_report
from _support.second_step_sides import Job
from peers.runner import Peer, PeerError

ROOT = Path(__file__).parents[1]
ALONE = "alone"
FULL = {
    "train": 120_000, "val": 30_000, "batch_size": 1000, "step_ms": 160.0, "val_step_ms": 50.0,
    "cache_mb": 5000.0,
}  # fmt: skip
QUICK = {
    "train": 16, "val": 12, "batch_size": 4, "step_ms": 4.0, "val_step_ms": 2.0, "mb": 1.0,
    "epochs": 2, "rounds": 1, "workers": 1,
}  # fmt: skip
PARTS = ("overlap", "cache", "checkpoint", "background")


def arguments() -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """What the command line says; presets give way to what is said beside them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=int, default=2000, metavar="N",
                        help="at most N, half for either split (default: 2000)")  # fmt: skip
    parser.add_argument("--train", type=int, default=1000, metavar="N",
                        help="images a training epoch, by repetition (default: 1000)")  # fmt: skip
    parser.add_argument("--val", type=int, default=2000, metavar="N",
                        help="images of validation, by copies (default: 2000)")  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="processes or threads (default: the cores)")  # fmt: skip
    parser.add_argument("--crop", type=int, default=224, help="pixels (default: 224)")
    parser.add_argument("--classes", type=int, default=100, metavar="N",
                        help="photos are dealt out to so many (default: 100)")  # fmt: skip
    parser.add_argument("--step", choices=("simulated", "cpu"), default="simulated")
    parser.add_argument("--step-ms", type=float, default=100.0, metavar="MS",
                        help="a batch of training (default: 100)")  # fmt: skip
    parser.add_argument("--val-step-ms", type=float, default=30.0, metavar="MS",
                        help="a batch of validation (default: 30)")  # fmt: skip
    parser.add_argument("--launch-share", type=float, default=0.1, metavar="SHARE",
                        help="of a step, that its thread is busy (default: 0.1)")  # fmt: skip
    parser.add_argument("--mb", type=float, default=100.0,
                        help="of model and optimizer (default: 100)")  # fmt: skip
    parser.add_argument("--epochs", type=int, default=3, metavar="N")
    parser.add_argument("--rounds", type=int, default=1, metavar="N",
                        help="of so many epochs, in new processes (default: 1)")  # fmt: skip
    parser.add_argument("--without", nargs="+", action="append", default=[], choices=PARTS,
                        metavar="PART", help="one more row: fastload without these of "
                        f"{', '.join(PARTS)}; may be given several times")  # fmt: skip
    parser.add_argument("--executor", choices=("process", "thread"), default="process",
                        help="of fastload's background work (default: process)")  # fmt: skip
    parser.add_argument("--cache-mb", type=float, default=0.0, metavar="MB",
                        help="for the validation cache (default: as fastload chooses)")  # fmt: skip
    preset = parser.add_mutually_exclusive_group()
    preset.add_argument("--full", action="store_true",
                        help="120,000 and 30,000 images, batch 1000; needs about 16 GB of memory, "
                        "5 GB of disk and most of an hour on two cores")  # fmt: skip
    preset.add_argument("--quick", action="store_true", help="a few images, to see that it runs")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="for copies (default: /tmp)")
    parser.add_argument("--timeout", type=float, default=3600, metavar="SECONDS",
                        help="for an epoch (default: 3600)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--picture", type=Path, metavar="FILE.png")
    early = parser.parse_known_args()[0]
    parser.set_defaults(**(FULL if early.full else QUICK if early.quick else {}))
    return parser, parser.parse_args()


def lay_out(found: list[photos.Photo], options: argparse.Namespace, root: Path) -> int:
    """Make train/CLASS and val/CLASS; photos are dealt out in turn, and repeated in val.

    Copies of a photo are the same file under several names: each is read and decoded by itself.

    Returns:
        The number of classes.
    """
    pairs = len(found) // 2
    classes = min(options.classes, pairs)
    for split, own, count in (
        ("train", found[: 2 * pairs : 2], pairs),
        ("val", found[1 : 2 * pairs : 2], max(options.val, classes)),
    ):
        for number in range(count):
            photo = number % len(own)
            folder = root / split / f"{photo % classes:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{number:07d}.jpg"
            if number < len(own):
                shutil.copyfile(own[photo].path, path)
            else:
                os.link(folder / f"{photo:07d}.jpg", path)
    return classes


def sides_of(options: argparse.Namespace, job: Job) -> dict[str, Job]:
    """Label -> what it has to do."""
    found = {"stock": replace(job, side="stock"), "fastload": replace(job, side="fastload")}
    for without in options.without:
        label = f"without {', '.join(without)}"
        found[label] = replace(job, side="fastload", without=without)
    return found | {ALONE: replace(job, side="alone")}


def run_round(
    options: argparse.Namespace, sides: dict[str, Job], number: int, scratch: Path
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, dict[str, Any]]]:
    """Epochs in turn, in new processes; then each ends, and tells what it wrote."""
    running: dict[str, Peer] = {}
    epochs: dict[str, list[dict[str, Any]]] = {label: [] for label in sides}
    finished: dict[str, dict[str, Any]] = {}
    try:
        for place, (label, job) in enumerate(sides.items()):
            name = f"{number}-{place}"
            job = replace(job, folder=str(scratch / f"{name}-run"))
            python = Path(sys.executable)
            running[label] = Peer(
                "second_step_process", python, job, name, options.timeout, package="_support"
            )
        for epoch in range(options.epochs):
            labels = list(running)
            turn = (number + epoch) % len(labels)
            for label in labels[turn:] + labels[:turn]:
                os.sync()  # nobody pays for what another left in the page cache
                own = running[label].ask("epoch")
                epochs[label].append(own | {"round": number, "epoch": epoch})
                print(f"round {number + 1}, epoch {epoch + 1}: {label}", file=sys.stderr)
        for label, peer in running.items():
            finished[label] = peer.ask("finish")
    except PeerError as error:
        raise SystemExit(str(error)) from None
    finally:
        for peer in running.values():
            peer.close()
    return epochs, finished


def verify(
    epochs: dict[str, list[dict[str, Any]]], finished: dict[str, dict[str, Any]]
) -> dict[str, int]:
    """Compare all sides with stock; returns how much was compared, ends where it differs."""
    compared = {"batches": 0, "files": 0, "checkpoints": 0}
    for label, own in epochs.items():
        if label in ("stock", ALONE):
            continue
        for epoch, expected in zip(own, epochs["stock"], strict=True):
            for number, pair in enumerate(
                itertools.zip_longest(epoch["checksums"], expected["checksums"])
            ):
                if pair[0] != pair[1]:
                    raise SystemExit(
                        f"{label}: batch {number} of validation in epoch {epoch['epoch']} is not "
                        "what torch's loader gives"
                    )
            compared["batches"] += len(epoch["checksums"])
        files, expected_files = finished[label]["written"], finished["stock"]["written"]
        if files != expected_files:
            names = sorted(
                name for name in {*files, *expected_files}
                if files.get(name) != expected_files.get(name)
            )  # fmt: skip
            raise SystemExit(f"{label}: not what stock wrote: {', '.join(names)}")
        compared["files"] += len(files)
        for name in ("last", "best"):
            saved = [finished[side]["checkpoints"].get(name) for side in (label, "stock")]
            if saved[0] != saved[1]:
                raise SystemExit(f"{label}: {name}.pt is of epoch {saved[0]}, not {saved[1]}")
        compared["checkpoints"] += len(finished[label]["checkpoints"])
    return compared


def main() -> None:
    """Measure, verify and report."""
    parser, options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # no stopped process stays behind
    found, unsound = photos.find([options.images], options.photos)
    if len(found) < 4:
        parser.error(f"expected four or more JPEG photos below {options.images}")
    sentence = photos.sentence(found)
    print(sentence + f"; {len(unsound)} unsound ones left out")

    epochs: dict[str, list[dict[str, Any]]] = {}
    finished: dict[str, list[dict[str, Any]]] = {}
    verified = {"batches": 0, "files": 0, "checkpoints": 0}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="second-step-") as folder:
        scratch = Path(folder)
        root, store = scratch / "images", scratch / "images.lmdb"
        classes = lay_out(found, options, root)
        layout.store_of(root, store)
        layout.warm([str(store), *map(str, root.rglob("*.jpg"))])
        job = Job(
            side="", without=[], root=str(root), store=str(store), scratch=folder, folder="",
            train_images=options.train, batch_size=options.batch_size, workers=options.workers,
            classes=classes, crop=options.crop, resize=round(options.crop * 256 / 224),
            step=options.step, step_ms=options.step_ms, val_step_ms=options.val_step_ms,
            launch_share=options.launch_share, state_bytes=int(options.mb * 1e6),
            executor=options.executor, cache_bytes=int(options.cache_mb * 1e6),
        )  # fmt: skip
        sides = sides_of(options, job)
        for number in range(options.rounds):
            own, ended = run_round(options, sides, number, scratch)
            for name, count in verify(own, ended).items():
                verified[name] += count
            for label in sides:
                epochs.setdefault(label, []).extend(own[label])
                finished.setdefault(label, []).append(ended[label])

    forward = options.val_step_ms / 1e3 if options.step == "simulated" else None
    result = {
        label: second_step_report.summary(epochs[label], epochs[ALONE], finished[label], forward)
        for label in sides
        if label != ALONE
    }
    steps = (
        f"{options.step_ms:g} ms a training step, {options.val_step_ms:g} ms a forward pass"
        if forward
        else "a small network on the CPU"
    )
    title = (
        f"{options.train:,} + {options.val:,} images, batch {options.batch_size}, "
        f"{options.workers} workers, {steps}, a state of {options.mb:g} MB"
    )
    rounds = f"medians of {options.rounds} x {options.epochs} epochs, interleaved"
    second_step_report.show(f"{title}; {rounds}", result)
    for label, own in result.items():
        memory, cache = (
            max(own[phase][key] for phase in ("first", "later") if phase in own) / 1e6
            for key in ("pss_bytes", "cache_bytes")
        )
        print(
            f"{label}: {own['closing_seconds']:.1f} s to end what was under way at the end; "
            f"{memory:,.0f} MB (PSS of all its processes), {cache:,.0f} MB of cache"
        )
    print(
        "verified: " + ", ".join(f"{count:,} {name}" for name, count in verified.items())
        + " equal to stock's"
    )  # fmt: skip
    if options.picture:
        second_step_report.draw(options.picture, title, f"{sentence}. {rounds}.", result)
    if options.json:
        packages = ("fastload", "torch", "torchvision", "Pillow", "numpy", "matplotlib")
        report.write_json(
            options.json,
            {
                "benchmark": "second_step",
                "machine": machine.machine(),
                "versions": machine.versions(*packages, "tensorboard"),
                "commit": machine.commit(ROOT),
                "photos": photos.describe(found),
                "options": {
                    name: value
                    for name, value in vars(options).items()
                    if not isinstance(value, Path)
                },
                "verified": verified,
                "sides": result,
                "epochs": epochs,
            },
        )


if __name__ == "__main__":
    main()
