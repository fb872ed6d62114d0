"""Packing photos: photos and bytes a second, and the store's size, beside FFCV's writer.

Every packer runs in a process of its own, one after the other, round by round, on the same files
in a warm page cache, with as many workers as there are cores, to the same folder; all outputs are
on the disk (fsync) when the clock stops, and are read back: fastload's by `verify` against the
source, FFCV's by its reader's count. What the two do differs: fastload keeps the photos' bytes and
proves that it can restore them; FFCV decodes each photo and writes it anew as JPEG of quality 90.

    benchmarks/setup_peers                     once: FFCV in an environment of its own
    python benchmarks/packing.py --images DIR [--rounds N] [--json FILE]
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
PEERS_PYTHON = Path(__file__).parents[1] / "build" / "peers" / "ffcv" / "bin" / "python"


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


def peers_problem(python: Path) -> str | None:
    """Why FFCV cannot take part, or None."""
    if not python.exists():
        return f"no {python}; benchmarks/setup_peers makes it"
    command = [str(python), "-c", "import ffcv"]
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
    parser.add_argument("--peers-python", type=Path, default=PEERS_PYTHON, metavar="PYTHON")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    found, left_out = photos.find([options.images])
    if not found or left_out:
        parser.error(f"expected sound JPEG files below {options.images}, found {len(found)} "
                     f"and {len(left_out)} others: {dict(list(left_out.items())[:3])}")  # fmt: skip
    print(photos.sentence(found))
    with tempfile.TemporaryDirectory() as copies:
        source = options.images
        if options.copies > 1:
            source = Path(copies)
            for i in range(options.copies):
                shutil.copytree(options.images, source / f"copy{i}")
            found = found * options.copies
        measure(options, source, found)


def measure(options: argparse.Namespace, source: Path, found: list[photos.Photo]) -> None:
    """Run all packers on the folder and report."""
    results: dict[str, dict[str, Any]] = {}
    folder = options.out or Path(tempfile.gettempdir())
    python = Path(sys.executable)
    rows = {
        kind: packer(kind, python, source, folder, results)
        for kind in ("fastload-tiles", "fastload-own")
    }
    problem = peers_problem(options.peers_python)
    if problem:
        print(f"FFCV is not measured: {problem}")
    else:
        rows |= {
            kind: packer(kind, options.peers_python, source, folder, results)
            for kind in ("ffcv-jpg", "ffcv-raw")
        }
    measured = timing.interleave(rows, options.rounds)

    count = len(found)
    source_bytes = sum(len(photo.data) for photo in found)
    for kind, result in results.items():
        if result["samples"] != count or result["read_back"] != count:
            raise SystemExit(f"{kind}: expected {count} samples, found {result}")
    lines = []
    for kind, row in measured.items():
        lines.append(
            [kind, f"{count / row.median:,.0f}", f"{source_bytes / row.median / 1e6:.1f}",
             f"{row.spread:.0%}", f"{results[kind]['bytes'] / source_bytes:.4f}",
             f"{timing.ratio(measured['ffcv-jpg'], row):.2f}" if not problem else "-"]
        )  # fmt: skip
    cores = len(os.sched_getaffinity(0))
    report.table(
        f"{cores} workers, medians of {options.rounds} interleaved rounds, fsync included",
        ["", "photos/s", "MB/s of source", "spread", "size / source", "speed / ffcv-jpg"],
        lines,
    )
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "packing",
                "machine": machine.machine(),
                "versions": machine.versions("fastload", "Pillow", "numpy", "lmdb"),
                "commit": machine.commit(Path(__file__).parent),
                "photos": photos.describe(found) | {"copies": options.copies},
                "ffcv": problem or "1.0.2, defaults",
                "results": results,
                "seconds": {kind: row.to_json(1) for kind, row in measured.items()},
            },
        )


if __name__ == "__main__":
    main()
