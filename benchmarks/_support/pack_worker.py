"""One packing, in a process of its own; prints one line of JSON.

    python pack_worker.py KIND SOURCE OUT WORKERS

    KIND  fastload-tiles, fastload-own, ffcv-jpg, ffcv-raw, litdata, streaming, webdataset, cp

Seconds begin behind all imports and end when the output is on the disk: fastload syncs its store
when it publishes it, and what the others write is synced here. Then the output is read back. Runs
under the Python of the packer's environment, so it imports nothing but that packer.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SHARD_BYTES = 64 << 20  # what LitData and Streaming make unless told otherwise


def paths_of(source: Path) -> list[str]:
    """All photos below a folder, in order."""
    return sorted(str(p) for p in source.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg"})


def sync(out: Path) -> None:
    """Have all that was written on the disk."""
    for path in (*(out.rglob("*") if out.is_dir() else ()), out, out.parent):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


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

    paths = paths_of(source)
    fields = {"image": RGBImageField(write_mode=mode), "label": IntField()}
    start = time.perf_counter()
    writer = DatasetWriter(str(out), fields, num_workers=workers)
    writer.from_indexed_dataset(Photos(paths), chunksize=100)
    sync(out)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "samples": len(paths),
        "read_back": int(Reader(str(out)).num_samples),
    }


def photo_bytes(path: str) -> dict[str, object]:
    """A sample for LitData."""
    return {"image": Path(path).read_bytes(), "class": 0}


def litdata(source: Path, out: Path, workers: int, _choice: str) -> dict[str, Any]:
    """LitData's ``optimize``; the files' own bytes."""
    from litdata import StreamingDataset, optimize

    paths = paths_of(source)
    start = time.perf_counter()
    optimize(photo_bytes, paths, str(out), chunk_bytes=SHARD_BYTES, num_workers=workers)
    sync(out)
    seconds = time.perf_counter() - start
    found = StreamingDataset(str(out), shuffle=False)
    return {"seconds": seconds, "samples": len(paths), "read_back": len(found)}


def write_mds(paths: list[str], out: str) -> None:
    """One process's part, by MosaicML Streaming."""
    from streaming import MDSWriter

    columns = {"image": "bytes", "class": "int"}
    with MDSWriter(out=out, columns=columns, size_limit=SHARD_BYTES) as writer:
        for path in paths:
            writer.write(photo_bytes(path))


def streaming(source: Path, out: Path, workers: int, _choice: str) -> dict[str, Any]:
    """MosaicML Streaming's MDSWriter, one a process, merged as its documentation does."""
    from streaming import MDSWriter, StreamingDataset  # noqa: F401 - before the clock starts
    from streaming.base.util import merge_index

    paths = paths_of(source)
    start = time.perf_counter()
    in_processes(write_mds, paths, [str(out / str(i)) for i in range(workers)])
    merge_index(str(out), keep_local=True)
    sync(out)
    seconds = time.perf_counter() - start
    found = StreamingDataset(local=str(out), batch_size=1)
    return {"seconds": seconds, "samples": len(paths), "read_back": found.num_samples}


def write_tars(paths: list[str], out: str) -> None:
    """One process's part, by webdataset."""
    from webdataset import ShardWriter

    with ShardWriter(f"{out}-%06d.tar", maxsize=SHARD_BYTES, verbose=0) as writer:
        for path in paths:
            key = path.lstrip("/").replace(".", "_")
            writer.write({"__key__": key, "jpg": Path(path).read_bytes(), "cls": 0})


def webdataset(source: Path, out: Path, workers: int, _choice: str) -> dict[str, Any]:
    """WebDataset's ShardWriter, one a process."""
    from webdataset import ShardWriter  # noqa: F401 - before the clock starts

    paths = paths_of(source)
    out.mkdir()
    start = time.perf_counter()
    in_processes(write_tars, paths, [str(out / f"part{i}") for i in range(workers)])
    sync(out)
    seconds = time.perf_counter() - start
    found = 0
    for shard in out.glob("*.tar"):
        with tarfile.open(shard) as tar:
            found += sum(member.name.endswith(".jpg") for member in tar)
    return {"seconds": seconds, "samples": len(paths), "read_back": found}


def in_processes(write: Any, paths: list[str], outs: list[str]) -> None:
    """Split the paths over as many processes as there are outputs."""
    jobs = [
        multiprocessing.get_context("fork").Process(target=write, args=(paths[i :: len(outs)], out))
        for i, out in enumerate(outs)
    ]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
        if job.exitcode:
            raise SystemExit(f"a writer ended with {job.exitcode}")


def cp(source: Path, out: Path, _workers: int, _choice: str) -> dict[str, Any]:
    """``cp -r`` and ``sync``: what the disk allows."""
    start = time.perf_counter()
    subprocess.run(["cp", "-r", str(source), str(out)], check=True)
    subprocess.run(["sync", "-f", str(out)], check=True)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "samples": len(paths_of(source)), "read_back": len(paths_of(out))}


@contextmanager
def watched() -> Iterator[list[int]]:
    """Gives a list that at the end holds the most anonymous memory that was taken meanwhile."""
    before, seen, ends = anonymous_bytes(), [0], threading.Event()

    def look() -> None:
        while not ends.wait(0.02):
            seen[0] = max(seen[0], anonymous_bytes() - before)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        ends.set()
        thread.join()


def anonymous_bytes() -> int:
    """Memory of this process, without the files that it maps."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise SystemExit("this kernel does not tell a process's anonymous memory")


def main() -> None:
    """Run the packer that is named."""
    kind, source, out, workers = sys.argv[1:5]
    packers = {
        "fastload": fastload, "ffcv": ffcv, "litdata": litdata, "streaming": streaming,
        "webdataset": webdataset, "cp": cp,
    }  # fmt: skip
    name, _, choice = kind.partition("-")
    choice = {"tiles": "auto", "own": "never"}.get(choice, choice)
    with watched() as peak:
        result = packers[name](Path(source), Path(out), int(workers), choice)
    files = [p for p in Path(out).rglob("*") if p.is_file()] if Path(out).is_dir() else [Path(out)]
    result["bytes"] = sum(file.stat().st_size for file in files)
    result["peak_anonymous_bytes"] = peak[0]
    print(json.dumps(result))


if __name__ == "__main__":
    main()
