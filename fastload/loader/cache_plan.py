"""``CachePlan``: what of a loader's samples is kept, where, and under which key."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import PIL
from PIL import features

from fastload import _core
from fastload.engine import Rows
from fastload.pixels import pass_order
from fastload.transforms import Lowered
from fastload.version import __version__

__all__ = ["Cache", "CacheBytes", "CachePlan", "check_cache"]

Cache = str | os.PathLike[str] | None
CacheBytes = int | Literal["auto"]

_PAGE_BYTES = 4096


def check_cache(cache: Cache, cache_bytes: CacheBytes) -> None:
    """Refuse what is neither a cache nor a size.

    Raises:
        TypeError: the cache is no text or path.
        ValueError: an empty path, or a size below 1.
    """
    if cache is not None and not isinstance(cache, (str, os.PathLike)):
        raise TypeError(
            f"expected cache to be None, 'memory' or a folder, found {type(cache).__name__}"
        )
    if cache == "":
        raise ValueError("expected cache to be None, 'memory' or a folder, found ''")
    if cache_bytes != "auto" and cache_bytes < 1:
        raise ValueError(f"expected cache_bytes to be 'auto' or above 0, found {cache_bytes!r}")


@dataclass(frozen=True)
class CachePlan:
    """A cache that a loader can have.

    Attributes:
        folder: where its file is; None: memory.
        key: 32 bytes; changes with everything that decides about a pixel.
        channels, height, width: of a sample.
        samples: of the data set.
        pictures: of the source, which the samples are some of; each has a place of its own.
        cache_bytes: as the loader was told.
    """

    folder: Path | None
    key: bytes
    channels: int
    height: int
    width: int
    samples: int
    pictures: int
    cache_bytes: CacheBytes

    @classmethod
    def of(
        cls, rows: Rows, lowered: Lowered, cache: Cache, cache_bytes: CacheBytes
    ) -> CachePlan | None:
        """The cache of a data set under fixed transforms; None where the loader wants none.

        Args:
            rows: the data set.
            lowered: its transforms, of which the engine runs all and none is random.
            cache: None, "memory", or a folder.
            cache_bytes: at most, or "auto".
        """
        if cache is None:
            return None
        return cls(
            None if cache == "memory" else Path(cache).absolute(), _key(rows, lowered),
            lowered.channels, lowered.height, lowered.width,
            len(rows), len(rows.pictures.source), cache_bytes,
        )  # fmt: skip

    @property
    def identity(self) -> object:
        """Equal where one cache will do; which of the samples are read does not count."""
        return self.folder, self.key, self.cache_bytes

    @property
    def slot_bytes(self) -> int:
        """Of one sample with its header."""
        return _core.SampleCache.slot_bytes(self.channels, self.height, self.width)

    @property
    def full_bytes(self) -> int:
        """What the cache takes with every sample in it."""
        return self._fixed_bytes + self.samples * self._sample_bytes

    @property
    def file_bytes(self) -> int:
        """The size of the file, holes included."""
        return _core.SampleCache.file_header_bytes + self.pictures * self.slot_bytes

    def fitting(self, budget_bytes: int) -> int:
        """How many samples fit into a budget."""
        fitting = (budget_bytes - self._fixed_bytes) // self._sample_bytes
        return min(self.samples, max(fitting, 0))

    @property
    def _sample_bytes(self) -> int:
        # Neighbours share their pages; samples here and there do not.
        return self.slot_bytes + (_PAGE_BYTES if self.samples < self.pictures else 0)

    @property
    def _fixed_bytes(self) -> int:
        # Two pages more are reserved while a sample is written.
        return _core.SampleCache.file_header_bytes + 2 * _PAGE_BYTES


def _key(rows: Rows, lowered: Lowered) -> bytes:
    """Of all that decides about the 8-bit pixels; dtype, table and memory format come behind.

    An erasing that is left here never erases.
    """
    ops = [op for op in lowered.ops if op[0] != "erase"]
    lossy = [(name, features.version(name)) for name in ("jpg", "jpg_2000", "webp")]
    parts = (
        _core.kept_pixels_version, __version__, _core.libjpeg_turbo_version(),
        PIL.__version__, lossy, pass_order(), rows.pictures.identity,
        ops, lowered.channels, lowered.height, lowered.width,
    )  # fmt: skip
    return hashlib.sha256(repr(parts).encode()).digest()
