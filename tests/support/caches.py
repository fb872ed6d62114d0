"""What tests of loaders' caches share; children import it by name."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Sampler

from fastload import DataLoader

#: Of photo_folder's pictures.
COUNT = 24


class Reversed(Sampler[int]):
    """Another order."""

    def __init__(self, data: Any) -> None:
        self._count = len(data)

    def __iter__(self) -> Any:
        return iter(reversed(range(self._count)))

    def __len__(self) -> int:
        return self._count


def aged(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Wait until files that were just written have times that can be relied on."""
    while any(os.stat(path).st_ctime_ns + 110_000_000 > time.time_ns() for path in paths):
        time.sleep(0.02)


def hits_of(loader: Any) -> int:
    """How many samples of an epoch come from the cache; its batches are thrown away."""
    before = loader.statistics().cache_hits
    for _batch in loader:
        pass
    return int(loader.statistics().cache_hits - before)


def cache_files(folder: Path) -> list[Path]:
    """All files there, hidden ones too."""
    return sorted(folder.iterdir())


def fill_twice(loader: Any, found: list[Any]) -> None:
    """Adds the hits and checksums of two epochs."""
    for _ in range(2):
        sums = [float(images.double().sum()) for images, _ in loader]
        found.append((loader.statistics().cache_hits, sums))


def child_hits(loader: Any, queue: Any, start: Any, ready: Any) -> None:
    """Sends the hits and checksums of two epochs, begun when it is told to."""
    found: list[Any] = []
    ready.set()
    start.wait(60)
    fill_twice(loader, found)
    queue.put(found)


def make_loader(dataset: Any, folder: str, **options: Any) -> Any:
    """With a cache in a folder."""
    torch.set_num_threads(1)
    return DataLoader(dataset, batch_size=5, cache=folder, **options)
