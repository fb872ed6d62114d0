"""The records of a sharded store, for the core: a source a shard, under one numbering."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.engine.pictures import StorePictures, store_source
from fastload.store.shards import ShardedStore

__all__ = ["ShardPictures"]


class ShardPictures(StorePictures):
    """A sharded store's records, by their index in the whole.

    Shards that lie here are all at hand from the beginning. Remote ones are brought before a batch
    of theirs is begun; should one be put out again before its turn, to make room, its samples are
    left to Pillow's lane, which asks the store, and so has it brought once more: slow, and right.

    Args:
        store: open; stays open as long as this lives.

    Raises:
        StoreError: its offsets or codecs cannot be read.
    """

    store: ShardedStore

    def __init__(self, store: ShardedStore) -> None:
        self._lock = threading.Lock()
        self._attached: dict[int, int] = {}  # by shard: the id of the open store
        super().__init__(store)
        if store.folder.is_remote:
            self.needs_pillow = True
            store.watch(self._let_go)
            return
        for number, shard in enumerate(store.manifest.shards):
            if shard.samples:
                self._attach(number)

    def _source(self) -> Any:
        # Copies: mapped memory kills the process where someone cuts the file short.
        parts, places = self.store.places
        return _core.JoinedSource(parts.copy(), places, self.store.column("length"))

    def bring(self, indices: NDArray[np.int64]) -> None:
        """Have the shards of a batch at hand.

        Raises:
            StoreError, OSError: one cannot be had.
        """
        if self.store.folder.is_remote:
            found, first, counts = np.unique(
                self.store.places[0][indices], return_index=True, return_counts=True
            )
            for place in np.argsort(first):
                self._attach(int(found[place]), int(counts[place]))

    def _attach(self, number: int, samples: int = 0) -> None:
        shard = self.store.shard(number, samples)
        if self._attached.get(number) == id(shard):
            return
        source = store_source(shard)
        with self._lock:
            self.source.attach(number, source)
            self._attached[number] = id(shard)
        if not self.store.holds(number, shard):  # let go of meanwhile, by another thread
            self._let_go(number)

    def _let_go(self, number: int) -> None:
        with self._lock:
            if self._attached.pop(number, None) is not None:
                self.source.attach(number, None)
