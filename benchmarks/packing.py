"""Packing photos: photos and bytes a second, and the size, beside the writers of other formats.

Every packer runs in a process of its own, one after the other, round by round, on the same files
in a warm page cache, with as many workers as there are cores, to the same folder; all outputs are
on the disk (fsync) when the clock stops, and are read back: fastload's by `verify` against the
source, the others' by their readers' counts. What they do differs: fastload proves of each photo
that it decodes, and with tiles that its file can be restored; FFCV decodes each photo and writes it
anew as JPEG of quality 90, or as pixels; LitData, Streaming, WebDataset and `cp -r` copy files
unseen.

--growth packs more and more photos, by repetition (hard links), and tells how time and memory grow.

    benchmarks/setup_peers build/peers ffcv writers        once: the peers' environments
    python benchmarks/packing.py --images DIR [--rounds N] [--json FILE]
    python benchmarks/packing.py --images DIR --growth 1000 10000 150000
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from _support import machine, photos, report, timing

WORKER = Path(__file__).parent / "_support" / "pack_worker.py"
PEERS = Path(__file__).parents[1] / "build" / "peers"
#: Each packer's environment, or "" for this one.
PACKERS = {
    "fastload-tiles": "",
    "fastload-own": "",
    "cp": "",
    "ffcv-jpg": "ffcv",
    "ffcv-raw": "ffcv",
    "litdata": "writers",
    "streaming": "writers",
    "webdataset": "writers",
}
BASE = "cp"


def packer(
    kind: str, python: Path, source: Path, folder: Path, results: dict[str, dict[str, Any]]
) -> Callable[[], float]:
    """A row for timing.interleave: packs once, keeps what it found, returns its seconds."""
    cores = len(os.sched_getaffinity(0))

    def run() -> float:
        for path in sorted(source.rglob("*")):  # the same warm cache for everyone
            if path.is_file():
                path.read_bytes()
        with tempfile.TemporaryDirectory(dir=folder) as out:
            command = [str(python), str(WORKER), kind, str(source), f"{out}/packed", str(cores)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{kind}: ended with {done.returncode}\n{done.stderr[-2000:]}")
        results[kind] = json.loads(done.stdout.splitlines()[-1])
        return float(results[kind]["seconds"])

    return run


def problem_of(peers: Path, environment: str) -> str | None:
    """Why an environment's packers cannot take part, or None."""
    if not environment:
        return None
    python = peers / environment / "bin" / "python"
    if not python.exists():
        return f"no {python}; benchmarks/setup_peers makes it"
    modules = {"ffcv": "ffcv", "writers": "litdata, streaming, webdataset"}[environment]
    command = [str(python), "-c", f"import {modules}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--copies", type=int, default=1, metavar="N",
        help="pack the photos N times over, so that starting up weighs as in a large set",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: /tmp)")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="DIR", help="of setup_peers")
    parser.add_argument(
        "--growth", type=int, nargs="+", metavar="N", help="in place of that: pack N photos"
    )
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    found, left_out = photos.find([options.images])
    if not found or left_out:
        parser.error(f"expected sound JPEG files below {options.images}, found {len(found)} "
                     f"and {len(left_out)} others: {dict(list(left_out.items())[:3])}")  # fmt: skip
    print(photos.sentence(found))
    with tempfile.TemporaryDirectory(dir=options.out) as scratch:
        if options.growth:
            grow(options, found, Path(scratch))
            return
        source = options.images
        if options.copies > 1:
            source = Path(scratch) / "photos"
            for i in range(options.copies):
                shutil.copytree(options.images, source / f"copy{i}")
            found = found * options.copies
        measure(options, source, found, Path(scratch))


def measure(
    options: argparse.Namespace, source: Path, found: list[photos.Photo], folder: Path
) -> None:
    """Run all packers on the folder and report."""
    results: dict[str, dict[str, Any]] = {}
    problems: dict[str, str] = {}
    rows = {}
    for kind, environment in PACKERS.items():
        problem = problem_of(options.peers, environment)
        if problem is not None:
            problems[kind] = problem
            print(f"{kind} is not measured: {problem}")
            continue
        own = options.peers / environment / "bin" / "python"
        python = own if environment else Path(sys.executable)
        rows[kind] = packer(kind, python, source, folder, results)
    measured = timing.interleave(rows, options.rounds)

    count = len(found)
    source_bytes = sum(len(photo.data) for photo in found)
    for kind, result in results.items():
        if result["samples"] != count or result["read_back"] != count:
            raise SystemExit(f"{kind}: expected {count} samples, found {result}")
    cores = len(os.sched_getaffinity(0))
    report.table(
        f"{cores} workers, medians of {options.rounds} interleaved rounds, fsync included",
        ["", "photos/s", "MB/s of source", "spread", "size / source", "speed / cp -r and sync"],
        [
            [kind, f"{count / row.median:,.0f}", f"{source_bytes / row.median / 1e6:.1f}",
             f"{row.spread:.0%}", f"{results[kind]['bytes'] / source_bytes:.4f}",
             f"{timing.ratio(measured[BASE], row):.2f}"]
            for kind, row in measured.items()
        ],
    )  # fmt: skip
    if options.json:
        report.write_json(
            options.json,
            described(found)
            | {
                "left_out": problems,
                "results": results,
                "seconds": {kind: row.to_json(1) for kind, row in measured.items()},
            },
        )


def grow(options: argparse.Namespace, found: list[photos.Photo], folder: Path) -> None:
    """Pack more and more photos, and report how time and memory grow."""
    grown: dict[str, dict[str, Any]] = {}
    rows = []
    for count in options.growth:
        source = folder / str(count)
        for i in range(count):
            photo = found[i % len(found)]
            copy = source / f"{i // 1000:04}" / f"{i:07}.jpg"
            copy.parent.mkdir(parents=True, exist_ok=True)
            if i < len(found):
                shutil.copyfile(photo.path, copy)
            else:
                first = i % len(found)
                os.link(source / f"{first // 1000:04}" / f"{first:07}.jpg", copy)
        for kind in ("fastload-tiles", "fastload-own"):
            results: dict[str, dict[str, Any]] = {}
            seconds = packer(kind, Path(sys.executable), source, folder, results)()
            result = grown[f"{kind} {count}"] = results[kind]
            if result["samples"] != count or result["read_back"] != count:
                raise SystemExit(f"{kind}: expected {count} samples, found {result}")
            peak = result["peak_anonymous_bytes"] / 1e6
            rows.append([kind, f"{count:,}", f"{seconds:.1f}", f"{count / seconds:,.0f}",
                         f"{peak:,.0f}"])  # fmt: skip
        shutil.rmtree(source)
    cores = len(os.sched_getaffinity(0))
    report.table(
        f"{cores} workers, one run each, fsync included",
        ["", "photos", "seconds", "photos/s", "anonymous memory at most, MB"],
        rows,
    )
    if options.json:
        report.write_json(options.json, described(found) | {"growth": grown})


def described(found: list[photos.Photo]) -> dict[str, Any]:
    """What every report of this benchmark begins with."""
    return {
        "benchmark": "packing",
        "machine": machine.machine(),
        "versions": machine.versions("fastload", "Pillow", "numpy", "lmdb"),
        "commit": machine.commit(Path(__file__).parent),
        "photos": photos.describe(found),
    }


if __name__ == "__main__":
    main()
