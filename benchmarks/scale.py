"""How start-up, memory and rate grow with the number of samples, and with the threads.

Every figure is the median of fresh processes, interleaved; the page cache is warm.

    samples  a genuine store of N records: 16 small photos (64 x 64 pixels) packed over and over,
             each under its own index and name. Small ones show what a sample costs beside its
             pixels. --full goes to 1,000,000.
    epoch    photos of full size, 50,000 by repetition (a torch Subset that names the store's
             photos again), batch 64: the first batch after iter(), and how soon a later epoch
             begins.
    threads  the same photos with num_workers 0 (the calling thread), 1, 2, 4.
    budget   batch 1,000 within memory_budget_bytes.

    python benchmarks/scale.py [--images DIR] [--full] [--json FILE]
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _support import layout, machine, photos, report
from PIL import Image

from fastload import StoreWriter, __version__
from fastload.records import Codec, Record
from fastload.store import WriterHeader

WORKER = Path(__file__).parent / "_support" / "scale_worker.py"
SMALL = 64  # pixels
GROUP = 50_000
MIB = 1 << 20


def made_photo(number: int, height: int, width: int) -> bytes:
    """A JPEG file with structure at all scales, as photos have; the same for the same number."""
    generator = np.random.default_rng(number)
    image = np.zeros((height, width, 3))
    for cells in (3, 9, 27, 81):
        coarse = Image.fromarray(generator.integers(0, 256, (cells, cells, 3), np.uint8))
        image += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)) / cells**0.5
    image *= 255 / image.max()
    file = io.BytesIO()
    Image.fromarray(image.astype(np.uint8)).save(file, "JPEG", quality=90, subsampling=0)
    return file.getvalue()


def small_store(path: Path, samples: int) -> None:
    """Pack ``samples`` records of 16 small photos."""
    bodies = [made_photo(number, SMALL, SMALL) for number in range(16)]
    header = WriterHeader(class_names=("small",), source="/made", created_by=f"scale {__version__}")
    with StoreWriter(path, header) as writer:
        for index in range(samples):
            body = bodies[index % len(bodies)]
            record = Record(
                Codec.JPEG, orientation=0, gray=False, index=0, height=SMALL, width=SMALL,
                source_size=len(body), head=b"", body=body,
            )  # fmt: skip
            writer.append(record, name=f"small/{index:08d}.jpg", class_id=0, format="JPEG")
            if index % GROUP == GROUP - 1:
                writer.commit(index + 1)
        writer.commit(samples)
        writer.publish()


def photo_store(folder: Path, images: Path | None) -> tuple[Path, str]:
    """Pack the photos of a folder, or made ones; returns the store and a sentence about them."""
    source = images or folder / "made"
    if images is None:
        source.mkdir()
        for number in range(128):
            (source / f"{number}.jpg").write_bytes(made_photo(number, 375, 500))
    found, _ = photos.find([source])
    layout.image_folder(found, source, folder / "photos")
    layout.store_of(folder / "photos", folder / "photos.lmdb")
    return folder / "photos.lmdb", photos.sentence(found)


def run(rows: dict[str, dict[str, Any]], repeat: int) -> dict[str, dict[str, Any]]:
    """Measure each row ``repeat`` times in turn; medians, and the values themselves."""
    values: dict[str, list[dict[str, Any]]] = {name: [] for name in rows}
    for number in range(repeat):
        for name, row in rows.items():
            print(f"{name}, {number + 1} of {repeat}", file=sys.stderr)
            command = [sys.executable, str(WORKER), json.dumps(row)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{name}: ended with {done.returncode}\n{done.stderr[-2000:]}")
            values[name].append(json.loads(done.stdout.splitlines()[-1]))
    found = {}
    for name, own in values.items():
        found[name] = {
            "samples": own[0]["samples"],
            "memory_budget_bytes": own[0]["memory_budget_bytes"],
            "first_begin_milliseconds": _median(value["begin_milliseconds"][0] for value in own),
            "later_begin_milliseconds": _median(
                statistics.median(value["begin_milliseconds"][1:]) for value in own
            ),
            "first_batch_milliseconds": _median(
                value["first_batch_milliseconds"][0] for value in own
            ),
            "later_batch_milliseconds": _median(
                statistics.median(value["first_batch_milliseconds"][1:]) for value in own
            ),
            **{
                key: _median(value[key] for value in own)
                for key in (
                    "open_milliseconds", "images_per_second", "anonymous_bytes_imported",
                    "anonymous_bytes_opened", "anonymous_bytes_running",
                )
            },
            "runs": own,
        }  # fmt: skip
    return found


def _median(values: Any) -> float:
    return float(statistics.median(values))


def show(found: dict[str, dict[str, Any]], title: str) -> None:
    """Print a table."""
    report.table(
        title,
        ["", "open ms", "iter() ms", "first batch ms", "later iter() ms", "its first batch ms",
         "images/s", "MB opened", "MB running"],
        [
            [
                name,
                f"{row['open_milliseconds']:.1f}",
                f"{row['first_begin_milliseconds']:.1f}",
                f"{row['first_batch_milliseconds']:.1f}",
                f"{row['later_begin_milliseconds']:.1f}",
                f"{row['later_batch_milliseconds']:.1f}",
                f"{row['images_per_second']:,.0f}",
                f"{row['anonymous_bytes_opened'] / 1e6:.1f}",
                f"{row['anonymous_bytes_running'] / 1e6:.0f}",
            ]
            for name, row in found.items()
        ],
    )  # fmt: skip


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--images", type=Path, metavar="DIR", help="default: photos made here")
    parser.add_argument("--full", action="store_true", help="up to 1,000,000 samples")
    parser.add_argument("--samples", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--epoch", type=int, default=50_000, metavar="N")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--large-batch", type=int, default=1_000, metavar="N")
    parser.add_argument("--threads", type=int, nargs="+", default=[0, 1, 2, 4])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="for a rate")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="for stores (default: /tmp)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()
    counts = options.samples + ([1_000_000] if options.full else [])

    common = {"threads": cores, "batch_size": options.batch_size, "seconds": options.seconds}
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="scale-") as name:
        folder = Path(name)
        rows: dict[str, dict[str, Any]] = {}
        for count in counts:
            path = folder / f"{count}.lmdb"
            small_store(path, count)
            rows[f"{count:,} samples"] = common | {
                "store": str(path), "samples": count, "size": SMALL,
            }  # fmt: skip
        samples = run(rows, options.repeat)
        title = f"a store of N small photos, {cores} threads, batch {options.batch_size}"
        show(samples, title)

        store, sentence = photo_store(folder, options.images)
        full = common | {"store": str(store), "samples": options.epoch, "size": 224}
        rows = {f"{count} threads": full | {"threads": count} for count in options.threads}
        budget = 8 * options.large_batch * 3 * 224 * 224 * 4 // 3
        large = {"batch_size": options.large_batch, "memory_budget_bytes": budget}
        rows[f"batch {options.large_batch:,}"] = full | large
        threads = run(rows, options.repeat)
        print(sentence)
        show(threads, f"{options.epoch:,} samples by repetition, batch {options.batch_size}")
    verdicts(threads, f"{cores} threads", f"batch {options.large_batch:,}")
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "scale",
                "machine": machine.machine(),
                "versions": machine.versions("fastload", "Pillow", "numpy", "torch"),
                "commit": machine.commit(Path(__file__).parent),
                "photos": sentence,
                "samples": samples,
                "threads": threads,
            },
        )


def verdicts(found: dict[str, dict[str, Any]], usual: str, large: str) -> None:
    """Print the figures that were promised beside what was found."""
    if usual in found:
        row = found[usual]
        print(
            f"first batch {row['first_batch_milliseconds']:.1f} ms after iter() (aim: 50), of a "
            f"later epoch {row['later_batch_milliseconds']:.1f} ms; a later iter() takes "
            f"{row['later_begin_milliseconds']:.1f} ms (aim: 10)"
        )
    row = found[large]
    over = row["anonymous_bytes_running"] - row["memory_budget_bytes"]
    print(
        f"{large}: {row['anonymous_bytes_running'] / MIB:,.0f} MiB of anonymous memory beyond the "
        f"imports, budget {row['memory_budget_bytes'] / MIB:,.0f} MiB: {over / MIB:+,.0f} MiB "
        "(aim: at most +64)"
    )


if __name__ == "__main__":
    main()
