"""Figures of a loader that can be read at any time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Counters", "LoaderStatistics"]


@dataclass(frozen=True)
class LoaderStatistics:
    """What a loader has done since it was made; the rate is that of its latest epoch.

    Attributes:
        images: delivered in batches.
        batches: delivered.
        images_per_second: in the latest epoch, from ``iter()`` to its latest batch.
        seconds_waited: spent in ``next()`` until a batch was ready: training stood still.
        read_seconds: reading from the disk, summed over threads.
        decode_seconds: decoding, summed over threads.
        render_seconds: resampling and writing into batches, summed over threads.
        queue_depth: batches that are under way or ready.
        bytes_read: by the engine.
        errors: samples that could not be read.
        retries: reads that were tried again.
        cache_hits: delivered images that came from the cache, undecoded.
        cache_bytes: memory or disk that the cache takes now.
    """

    images: int
    batches: int
    images_per_second: float
    seconds_waited: float
    read_seconds: float
    decode_seconds: float
    render_seconds: float
    queue_depth: int
    bytes_read: int
    errors: int
    retries: int
    cache_hits: int
    cache_bytes: int


class Counters:
    """What the iterators of a loader count. Plain attributes: one thread iterates at a time.

    Attributes:
        watchers: called with the batches that the epoch has delivered: 0 when it begins, and again
            behind each batch. They run in the iterating thread and have to be quick.
    """

    def __init__(self) -> None:
        self.images = self.batches = self.queue_depth = self.cache_hits = 0
        self.seconds_waited = 0.0
        self.watchers: list[Callable[[int], None]] = []
        self._epoch_images = self._epoch_batches = 0
        self._began_seconds = self._latest_seconds = 0.0

    def begin(self) -> None:
        """An epoch begins."""
        self._epoch_images = self._epoch_batches = 0
        self._began_seconds = self._latest_seconds = time.perf_counter()
        self._tell()

    def delivered(self, images: int, waited_seconds: float, queue_depth: int) -> None:
        """A batch was handed out."""
        self.images += images
        self._epoch_images += images
        self.batches += 1
        self._epoch_batches += 1
        self.seconds_waited += waited_seconds
        self.queue_depth = queue_depth
        self._latest_seconds = time.perf_counter()
        self._tell()

    def _tell(self) -> None:
        for watcher in tuple(self.watchers):  # one may take itself away
            watcher(self._epoch_batches)

    def report(self, engine: dict[str, Any], errors: int, cache_bytes: int = 0) -> LoaderStatistics:
        """The figures at this moment.

        Args:
            engine: the engine's own counters; those it lacks count as 0.
            errors: samples that could not be read.
            cache_bytes: that the open cache takes.
        """
        seconds = self._latest_seconds - self._began_seconds
        return LoaderStatistics(
            images=self.images,
            batches=self.batches,
            images_per_second=self._epoch_images / seconds if seconds > 0 else 0.0,
            seconds_waited=self.seconds_waited,
            read_seconds=float(engine.get("read_seconds", 0)),
            decode_seconds=float(engine.get("decode_seconds", 0)),
            render_seconds=float(engine.get("render_seconds", 0)),
            queue_depth=self.queue_depth,
            bytes_read=int(engine.get("bytes_read", 0)),
            errors=errors,
            retries=int(engine.get("retries", 0)),
            cache_hits=self.cache_hits,
            cache_bytes=cache_bytes,
        )
