"""What a validation cache costs in the first epoch, and what later epochs gain.

One validation loader (Resize(256), CenterCrop(224), normalised float32) on a store of the photos,
without a cache and with one in memory or in a folder, on an equal number of threads. Each round
times one epoch of each row: without a cache, a first epoch that fills a new cache, and an epoch
from a full one; that in a folder also from the disk, with the file dropped from the page cache.
Before anything is timed, every batch from a cache is compared, bit for bit, with the batch that is
made without. `--repeat` packs each photo that many times, so that caches are larger than the CPU's.

    python benchmarks/cache.py --images DIR [--photos N] [--repeat N] [--threads N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and torch are imported

import torch  # noqa: E402 - after the environment
from _support import layout, machine, photos, report, timing  # noqa: E402
from torchvision import transforms  # noqa: E402

from fastload import DataLoader, LMDBDataset, _core  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZE = 224
BASE = "without a cache"


class Setting:
    """The data set, and loaders on it."""

    def __init__(self, store: Path, folder: Path, options: argparse.Namespace) -> None:
        transform = transforms.Compose(
            [
                transforms.Resize(256),
                transforms.CenterCrop(SIZE),
                transforms.ToTensor(),
                transforms.Normalize(MEAN, STD),
            ]
        )
        self.dataset = LMDBDataset(store, transform)
        self.count = len(self.dataset)
        self._folder = folder
        self._made = 0
        self._options: Any = {"batch_size": options.batch_size, "num_workers": options.threads}

    def loader(self, cache: str | None) -> Any:
        """With one in "memory", or in a new "folder"."""
        cache = self.new_folder() if cache == "folder" else cache
        return DataLoader(self.dataset, cache=cache, **self._options)

    def new_folder(self) -> str:
        """That nothing is in yet."""
        self._made += 1
        return str(self._folder / str(self._made))

    def full(self, kind: str) -> Any:
        """A loader whose cache holds every sample."""
        loader = self.loader(kind)
        self.run(loader, 0)
        return loader

    def run(self, loader: Any, hits: int) -> tuple[float, float]:
        """One epoch: its seconds, and the CPU time of all threads in it."""
        before = loader.statistics().cache_hits
        wall, cpu = time.perf_counter(), time.process_time()
        for _batch in loader:
            pass
        taken = time.perf_counter() - wall, time.process_time() - cpu
        found = loader.statistics().cache_hits - before
        if found != hits:
            raise SystemExit(f"expected {hits} samples from the cache, found {found}")
        return taken


def verify(setting: Setting) -> None:
    """Compare two epochs of each kind of cache with the batches that are made without."""
    for kind in ("memory", "folder"):
        loader = setting.loader(kind)
        for _ in range(2):
            for found, expected in zip(loader, setting.loader(None), strict=True):
                if not all(map(torch.equal, found, expected)):
                    raise SystemExit(f"cache in {kind}: a batch differs")
        if loader.statistics().cache_hits != setting.count:
            raise SystemExit(f"cache in {kind}: the second epoch decoded some samples again")


def drop_from_page_cache(folder: str) -> None:
    """Leave the caches of a folder on the disk alone."""
    for path in Path(folder).iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def rows_of(setting: Setting, memory: Any) -> dict[str, Callable[[], tuple[float, float]]]:
    """Give name -> one epoch. ``memory``: a loader whose cache there is full."""
    plain, folder = setting.loader(None), setting.full("folder")
    filling = setting.loader(None)  # one for all rounds, with its memory for batches
    for loader in (plain, filling):
        setting.run(loader, 0)

    def first(cache: str, cache_bytes: int) -> tuple[float, float]:
        filling.cache, filling.cache_bytes = cache, cache_bytes
        taken = setting.run(filling, 0)
        filling.cache = None
        filling._cache_keeper.open(None)  # lets it go before anything else is timed
        return taken

    def first_in_memory() -> tuple[float, float]:
        # Loaders of one process share their memory, but not under different budgets.
        return first("memory", 2 * memory.statistics().cache_bytes)

    def first_in_folder() -> tuple[float, float]:
        cache = setting.new_folder()
        taken = first(cache, 1 << 40)
        shutil.rmtree(cache)
        return taken

    def cold() -> tuple[float, float]:
        drop_from_page_cache(folder.cache)
        return setting.run(folder, setting.count)

    return {
        BASE: lambda: setting.run(plain, 0),
        "memory, first epoch": first_in_memory,
        "memory, later": lambda: setting.run(memory, setting.count),
        "folder, first epoch": first_in_folder,
        "folder, later": lambda: setting.run(folder, setting.count),
        "folder, later, from the disk": cold,
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--photos", type=int, metavar="N", help="at most N, evenly spread")
    parser.add_argument("--repeat", type=int, default=4, metavar="N")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N")
    parser.add_argument("--batch-size", type=int, default=64, metavar="N")
    parser.add_argument("--rounds", type=int, default=7, metavar="N")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="for the caches: a real disk's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    found, left_out = photos.find([options.images], options.photos)
    if not found:
        parser.error(f"no sound photo below {options.images}")
    print(photos.sentence(found))
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as root:
        layout.image_folder(found * options.repeat, options.images, Path(root, "photos"))
        layout.store_of(Path(root, "photos"), Path(root, "photos.lmdb"))
        setting = Setting(Path(root, "photos.lmdb"), Path(root, "caches"), options)
        verify(setting)
        wall, cpu, cache_bytes = measure(setting, options.rounds)
    show(setting, options, wall, cpu, cache_bytes)
    if options.json:
        versions = machine.versions("fastload", "Pillow", "numpy", "torch", "torchvision")
        scale = 1e3 / setting.count
        report.write_json(
            options.json,
            {
                "benchmark": "cache",
                "machine": machine.machine(),
                "versions": versions,
                "commit": machine.commit(Path(__file__).parent),
                "photos": photos.describe(found),
                "left_out": left_out,
                "samples": setting.count,
                "threads": options.threads,
                "batch_size": options.batch_size,
                "cache_bytes": cache_bytes,
                "sample_bytes": _core.SampleCache.slot_bytes(3, SIZE, SIZE),
                "milliseconds_an_image": {
                    name: row.to_json(scale) | {"share_of_base": timing.ratio(row, wall[BASE])}
                    for name, row in wall.items()
                },
                "cpu_milliseconds_an_image": {
                    name: row.to_json(scale) | {"share_of_base": timing.ratio(row, cpu[BASE])}
                    for name, row in cpu.items()
                },
            },
        )


def measure(
    setting: Setting, rounds: int
) -> tuple[dict[str, timing.Measurement], dict[str, timing.Measurement], int]:
    """Seconds and CPU seconds of each row's epochs, and the bytes of a full cache."""
    cpu_seconds: dict[str, list[float]] = defaultdict(list)

    def timed(name: str, row: Callable[[], tuple[float, float]]) -> Callable[[], float]:
        def run() -> float:
            seconds, cpu = row()
            cpu_seconds[name].append(cpu)
            return seconds

        return run

    memory = setting.full("memory")
    rows = rows_of(setting, memory)
    wall = timing.interleave({name: timed(name, row) for name, row in rows.items()}, rounds)
    # The first round warms up.
    cpu = {name: timing.Measurement(tuple(own[1:])) for name, own in cpu_seconds.items()}
    return wall, cpu, int(memory.statistics().cache_bytes)


def show(
    setting: Setting,
    options: argparse.Namespace,
    wall: dict[str, timing.Measurement],
    cpu: dict[str, timing.Measurement],
    cache_bytes: int,
) -> None:
    """Print the table."""
    lines = []
    for name, row in wall.items():
        lines.append(
            [name, f"{setting.count / row.median:,.0f}", f"{row.spread:.0%}",
             f"{timing.ratio(wall[BASE], row):.2f}",
             f"{cpu[name].median * 1e3 / setting.count:.3f}",
             f"{timing.ratio(cpu[name], cpu[BASE]):.3f}"]
        )  # fmt: skip
    report.table(
        f"validation epochs of {setting.count:,} samples, {options.threads} threads, batch "
        f"{options.batch_size}, medians of {options.rounds} interleaved rounds",
        ["", "images/s", "spread", "x without", "CPU ms an image", "share of CPU"],
        lines,
    )
    print(
        f"a full cache: {cache_bytes / 1e6:,.1f} MB, {cache_bytes / setting.count:,.0f} bytes an "
        f"image of {3 * SIZE * SIZE:,}"
    )


if __name__ == "__main__":
    main()
