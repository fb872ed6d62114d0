"""How long a store of many samples takes to open, and how much memory of its own it holds.

Makes a genuine store of ``--samples`` raw pictures of one pixel (through StoreWriter), then opens
it in fresh processes, touches a name and a column, reads records, and checks what it read. Memory
is RssAnon: pages that the process owns, not pages of the file that the kernel maps and may drop.

    python benchmarks/open_store.py --samples 1000000 --repeat 5 [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from _support import machine, report

from fastload import Store, StoreWriter, __version__
from fastload.records import Codec, Record
from fastload.store import WriterHeader

CLASSES = 1000
GROUP = 50_000
PIXEL = Record(
    Codec.RAW, orientation=0, gray=False, index=0, height=1, width=1, source_size=0,
    head=b"", body=b"",
)  # fmt: skip


def name_of(index: int) -> str:
    """The name of a sample; as long as ImageNet's."""
    return f"n{index % CLASSES:08d}/n{index % CLASSES:08d}_{index:08d}.JPEG"


def pixel_of(index: int) -> bytes:
    """The one pixel of a sample, [1, 1, 3] RGB."""
    return bytes((index & 255, index >> 8 & 255, index >> 16 & 255))


def make_store(path: Path, samples: int) -> float:
    """Pack a store of one-pixel pictures; returns the seconds it took."""
    header = WriterHeader(
        class_names=tuple(f"n{number:08d}" for number in range(CLASSES)),
        source="/made",
        created_by=f"open_store {__version__}",
    )
    started = time.perf_counter()
    with StoreWriter(path, header) as writer:
        for index in range(samples):
            record = replace(PIXEL, body=pixel_of(index))
            writer.append(record, name=name_of(index), class_id=index % CLASSES, format="RAW")
            if index % GROUP == GROUP - 1:
                writer.commit(index + 1)
        writer.commit(samples)
        writer.publish()
    return time.perf_counter() - started


def anonymous_bytes() -> int:
    """RssAnon of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("expected RssAnon in /proc/self/status (Linux)")


def measure(path: Path) -> dict[str, float]:
    """Open the store in this process; everything it gives is compared with what was packed."""
    before_bytes = anonymous_bytes()
    started = time.perf_counter()
    store = Store(path)
    opened = time.perf_counter()
    name = store.names[5]
    class_ids = store.column("class_id")
    touched = time.perf_counter()
    after_bytes = anonymous_bytes()
    samples = len(store)
    assert name == name_of(5)
    assert np.array_equal(class_ids, np.arange(samples, dtype=np.int32) % CLASSES)
    for index in range(0, samples, max(1, samples // 1000)):
        record = store.record(index)
        assert (record.index, bytes(record.body)) == (index, pixel_of(index))
        assert store.names[index] == name_of(index)
    return {
        "samples": samples,
        "open_milliseconds": (opened - started) * 1e3,
        "first_name_and_column_milliseconds": (touched - opened) * 1e3,
        "anonymous_bytes": after_bytes - before_bytes,
    }


def main() -> None:
    """Make, measure in fresh processes, report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="where to make the store (default: temporary)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "many.lmdb"
        packed_seconds = make_store(path, options.samples)
        runs = []
        for _ in range(options.repeat):
            command = [sys.executable, __file__, "--measure", str(path)]
            result = subprocess.run(command, check=True, capture_output=True, text=True)
            runs.append(json.loads(result.stdout))
        store_bytes = path.stat().st_size
    for run in runs:
        run["anonymous_bytes_a_sample"] = run.pop("anonymous_bytes") / options.samples
    report.table(
        f"{options.samples:,} samples in {store_bytes:,} bytes, packed in {packed_seconds:.1f} s; "
        f"{options.repeat} processes",
        ["", "median", "least", "most"],
        [
            [key.replace("_", " "), *(f"{pick([run[key] for run in runs]):.3f}"
                                      for pick in (statistics.median, min, max))]
            for key in runs[0] if key != "samples"
        ],
    )  # fmt: skip
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "open_store",
                "machine": machine.machine(),
                "versions": machine.versions("fastload", "numpy", "lmdb"),
                "commit": machine.commit(Path(__file__).parent),
                "samples": options.samples,
                "store_bytes": store_bytes,
                "pack_seconds": packed_seconds,
                "runs": runs,
            },
        )


if __name__ == "__main__":
    main()
