"""One packing, in a process of its own; prints one line of JSON.

    python pack_worker.py fastload-tiles|fastload-own|ffcv-jpg|ffcv-raw SOURCE OUT WORKERS

Seconds begin behind all imports and end when the output is on the disk: fastload syncs its store
when it publishes it, and FFCV's file is synced here. Then the output is read back. Runs under the
Python of the packer's environment, so it imports nothing but that packer.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any


def fastload(source: Path, out: Path, workers: int, tile: str) -> dict[str, Any]:
    """Fastload's convert, and its own verification against the source."""
    from fastload.convert import pack, verify

    start = time.perf_counter()
    summary = pack(source, out, tile=tile, workers=workers)
    seconds = time.perf_counter() - start
    report = verify(out, source)
    return {
        "seconds": seconds,
        "samples": summary.contents.photos,
        "read_back": report.photos - report.differences_count,
        "codecs": summary.contents.codecs,
    }


class Photos:
    """A data set as FFCV's writer reads it: (PIL image, class); pickled to its workers."""

    def __init__(self, paths: list[str]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, i: int) -> tuple[object, int]:
        from PIL import Image

        with open(self.paths[i], "rb") as file:
            return Image.open(file).convert("RGB"), 0


def ffcv(source: Path, out: Path, workers: int, mode: str) -> dict[str, Any]:
    """FFCV's DatasetWriter with its defaults (JPEG quality 90), as its ImageNet recipe calls it."""
    from ffcv.fields import IntField, RGBImageField
    from ffcv.reader import Reader
    from ffcv.writer import DatasetWriter

    paths = sorted(str(p) for p in source.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg"})
    fields = {"image": RGBImageField(write_mode=mode), "label": IntField()}
    start = time.perf_counter()
    writer = DatasetWriter(str(out), fields, num_workers=workers)
    writer.from_indexed_dataset(Photos(paths), chunksize=100)
    for path in (out, out.parent):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "samples": len(paths),
        "read_back": int(Reader(str(out)).num_samples),
    }


def main() -> None:
    """Run the packer that is named."""
    kind, source, out, workers = sys.argv[1:5]
    packers = {"fastload": fastload, "ffcv": ffcv}
    name, _, choice = kind.partition("-")
    choice = {"tiles": "auto", "own": "never"}.get(choice, choice)
    result = packers[name](Path(source), Path(out), int(workers), choice)
    print(json.dumps(result | {"bytes": os.path.getsize(out)}))


if __name__ == "__main__":
    main()
