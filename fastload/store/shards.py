"""``ShardedStore``: a folder of stores and their manifest, read as one store."""

from __future__ import annotations

import os
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastload.errors import RecordError, StoreError, StoreFormatError
from fastload.records import Record, decode_record, renumber_record
from fastload.store.joined_columns import SHARD
from fastload.store.look_ahead import LookAhead
from fastload.store.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    Shard,
    parse_manifest,
)
from fastload.store.reader import Store
from fastload.store.shard_folder import shard_folder

__all__ = ["ShardedStore"]

#: Shards that stay open for reading in Python; the engine keeps its own.
_OPEN_SHARDS = 128
#: A shard that is put out before one sample in so many was read was not worth fetching; after so
#: many of these, the user is told.
_USED_WELL, _WASTED_SHARDS = 10, 3


class ShardedStore(Store):
    """A folder with a manifest, read as the one store that its shards make up.

    Opening reads the manifest and the file of columns; a shard is opened, and brought where it is
    remote, when one of its records is asked for. Records are numbered as in the whole.

    Args:
        path: the folder, or its URL: ``https://...``, ``s3://...`` and whatever fsspec knows.
        cache_dir: where a remote store's files are kept, in any number of processes at once;
            None: ``fastload`` in the user's cache folder.
        cache_bytes: how much of the disk they may take; None: half of what is free, at opening,
            beside what the cache has already.

    Attributes:
        manifest: what the store consists of.
        folder: where its files are.

    Raises:
        StoreFormatError: no sharded store, or a damaged one.
        StoreError: a remote one cannot be reached, or a library for that is missing.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self._cache = None if cache_dir is None else os.fspath(cache_dir), cache_bytes
        self.folder = shard_folder(path, *self._cache)
        where = f"{self.folder.location.rstrip('/')}/{MANIFEST_NAME}"
        data = self.folder.manifest()
        if len(data) > MAX_MANIFEST_BYTES:
            raise StoreFormatError(f"{where}: more than {MAX_MANIFEST_BYTES} bytes")
        self.manifest: Manifest = parse_manifest(data, where)
        self._columns_store = self.folder.open(self.manifest.columns)
        super().__init__(self._columns_store.path)
        self.location = self.folder.location
        if not self.folder.is_remote:
            self.path = Path(self.location)
        found = self.header.store_id, self.header.sample_count, self.header.class_names
        expected = self.manifest.store_id, self.manifest.samples, self.manifest.class_names
        if found != expected or SHARD.name not in self.header.columns:
            raise StoreFormatError(
                f"{where}: expected {self.manifest.columns.name} to hold the columns of the set "
                f"{expected[0]} of {expected[1]} samples, found {found[0]} of {found[1]}"
            )
        self._places: tuple[NDArray[np.uint32], NDArray[np.uint32]] | None = None
        self._open_shards: OrderedDict[int, Store] = OrderedDict()  # the least recently read first
        self._samples_read: dict[int, int] = {}  # since each was opened
        self._lock = threading.Lock()
        self._look_ahead = LookAhead(self._bring)
        self._now: frozenset[int] = frozenset()
        self._expected = False
        self._newest = -1
        self._wasted = 0
        self._watchers: list[weakref.WeakMethod[Callable[[int], None]]] = []
        self._process = os.getpid()

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self.location, self.header.store_id, *self._cache)

    @property
    def store_bytes(self) -> int:
        """Of all files together."""
        return self.manifest.columns.bytes + self.manifest.shard_bytes

    def extents(self) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Not to be had: there is not one file that holds all records."""
        raise StoreError(f"{self.location}: is sharded: its records stand in several files")

    @property
    def places(self) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The shard of each sample, and its index there: uint32 [N] each.

        Raises:
            StoreFormatError: the columns and the manifest do not agree.
        """
        if self._places is None:
            parts = self.column(SHARD.name)
            counts = np.array([shard.samples for shard in self.manifest.shards], np.int64)
            fits = not len(parts) or int(parts.max()) < len(counts)
            if not fits or not np.array_equal(np.bincount(parts, minlength=len(counts)), counts):
                raise StoreFormatError(
                    f"{self.location}: expected as many samples a shard as the manifest says"
                )
            starts = np.cumsum(counts) - counts
            places = np.empty(len(parts), np.uint32)
            order = np.argsort(parts, kind="stable")
            places[order] = np.arange(len(parts)) - starts[parts[order]]
            self._places = parts, places
        return self._places

    def shard(self, number: int, samples: int = 0) -> Store:
        """One shard, open; brought here where it is remote. Safe to call from many threads.

        Args:
            number: which.
            samples: how many are about to be read from it.

        Raises:
            StoreFormatError: it is not what the manifest says.
            StoreError, OSError: it cannot be had.
            StoreClosedError: after ``close()``.
        """
        self._open_handle()
        if self._process != os.getpid():  # a thread may have held the lock during the fork
            self._process, self._lock = os.getpid(), threading.Lock()
            self._open_shards = OrderedDict()  # or the parent could not have them put out
        with self._lock:
            found = self._open_shards.get(number)
            self._samples_read[number] = self._samples_read.get(number, 0) + samples
            if found is not None:
                self._open_shards.move_to_end(number)
                return found
        opened = self._opened(self.manifest.shards[number])
        with self._lock:
            opened = self._open_shards.setdefault(number, opened)
            follows = number == self._newest + 1
            self._newest = number
            oldest = next(iter(self._open_shards)) if len(self._open_shards) > _OPEN_SHARDS else -1
        if oldest >= 0:
            self.forget(oldest)
        if follows and not self._expected:  # read in order, it seems
            self._make_ready(range(number, number + 1), range(number + 1, number + 2))
        return opened

    def _opened(self, shard: Shard) -> Store:
        opened = self.folder.open(shard, self._release)
        if (opened.header.store_id, len(opened)) != (shard.store_id, shard.samples):
            raise StoreFormatError(
                f"{self.location}: shard {shard.name}: expected the store {shard.store_id} of "
                f"{shard.samples} samples, found {opened.header.store_id} of {len(opened)}"
            )
        return opened

    def expect(self, now: Iterable[int], soon: Iterable[int]) -> None:
        """Say which shards will be read now, and which then, so that those can be on their way.

        Those that were read before the ones that were read before ``now`` are let go. Does nothing
        to a store that lies here.
        """
        self._expected = True
        self._make_ready(now, soon)

    def _make_ready(self, now: Iterable[int], soon: Iterable[int]) -> None:
        if not self.folder.is_remote:
            return
        last, self._now = self._now, frozenset(now)
        with self._lock:
            old = set(self._open_shards) - self._now - last
        for number in old:
            self.forget(number)
        count = len(self.manifest.shards)
        self._look_ahead.ask([number for number in soon if number < count])

    def _bring(self, number: int) -> None:
        self.folder.bring(self.manifest.shards[number])

    def _release(self) -> bool:
        """Let go of the shard that was read least recently, to make room for another."""
        with self._lock:
            number = next(iter(self._open_shards), None)
            if number is None:
                return False
            shard, found = self.manifest.shards[number], self._samples_read.get(number, 0)
            self._wasted += found * _USED_WELL < shard.samples
        self.forget(number)
        if self._wasted == _WASTED_SHARDS:
            warnings.warn(
                f"{self.location}: {_WASTED_SHARDS} shards were put out of the cache of "
                f"{self.folder.limit_bytes:,} bytes before a {_USED_WELL}th of their samples was "
                f"read: the order goes through more of the {len(self.manifest.shards)} shards "
                f"({self.manifest.shard_bytes:,} bytes) at a time than the cache holds, and each "
                "will be fetched many times. Read with fastload.ShardShuffle, or make cache_bytes "
                "larger",
                stacklevel=2,
            )
        return True

    def forget(self, number: int) -> None:
        """Let go of a shard; who reads from it finishes."""
        with self._lock:
            self._open_shards.pop(number, None)
            self._samples_read.pop(number, None)
        for watcher in self._watchers:
            call = watcher()
            if call is not None:
                call(number)

    def holds(self, number: int, shard: Store) -> bool:
        """Whether that very shard is open still, so that who lets it go will be told."""
        with self._lock:
            return self._open_shards.get(number) is shard

    def watch(self, call: Callable[[int], None]) -> None:
        """Have a method called with each shard that is let go; it is not kept alive."""
        self._watchers.append(weakref.WeakMethod(call))

    def close(self) -> None:
        """As of any store; shards too."""
        super().close()
        self._look_ahead.ask(())
        self._columns_store.close()
        with self._lock:
            left = list(self._open_shards)
        for number in left:
            self.forget(number)

    def _read(self, index: int, verify: bool | None) -> tuple[bytes, Record]:
        position = self._checked_index(index)
        parts, places = self.places
        number, place = int(parts[position]), int(places[position])
        for attempt in range(2):
            shard = self.shard(number, 1)
            try:
                data, _ = shard._read(place, verify)
                break
            except RecordError as error:
                if not attempt and self.folder.mend(self.manifest.shards[number]):
                    self.forget(number)
                    continue
                what = f"shard {self.manifest.shards[number].name}: {error.__cause__ or error}"
                raise self._record_error(position, what) from error
        data = renumber_record(data, position)
        return data, decode_record(data, verify_body=False)


def _reopen(
    location: str, store_id: str, cache_dir: str | None, cache_bytes: int | None
) -> ShardedStore:
    """Unpickle: the same store, or an error where another lies under its path now."""
    store = ShardedStore(location, cache_dir=cache_dir, cache_bytes=cache_bytes)
    if store.header.store_id != store_id:
        raise StoreFormatError(
            f"{location}: expected the store {store_id} that was pickled, found "
            f"{store.header.store_id}: it was replaced meanwhile; open the data set again"
        )
    return store
