"""``ShardedStore``: a folder of stores and their manifest, read as one store."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastload.errors import RecordError, StoreError, StoreFormatError
from fastload.records import Record, decode_record, renumber_record
from fastload.store.joined_columns import SHARD
from fastload.store.manifest import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    Manifest,
    ManifestFile,
    parse_manifest,
)
from fastload.store.reader import Store

__all__ = ["ShardFolder", "ShardedStore"]

#: Shards that stay open for reading in Python; the engine keeps its own.
_OPEN_SHARDS = 128


class ShardFolder(Protocol):
    """Where the files of a sharded store are.

    Attributes:
        location: absolute path, or URL.
        is_remote: files have to be brought before they can be opened.
    """

    location: str
    is_remote: bool

    def manifest(self) -> bytes:
        """The bytes of the manifest."""
        ...

    def open(self, file: ManifestFile) -> Store:
        """One file, open; brought here where it is not.

        Raises:
            StoreFormatError: it is not what the manifest says.
            OSError, StoreError: it cannot be had.
        """
        ...

    def mend(self, file: ManifestFile) -> bool:
        """Whether a file that gave damaged bytes was only a damaged copy, which is gone now."""
        ...


class LocalFolder:
    """A folder on this machine; implements ``ShardFolder``."""

    is_remote = False

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()
        self.location = str(self._folder)

    def manifest(self) -> bytes:
        path = self._folder / MANIFEST_NAME
        try:
            with open(path, "rb") as file:
                return file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError as error:
            raise StoreFormatError(
                f"{self._folder}: expected a store: a file, or a folder with a {MANIFEST_NAME}, "
                "found a folder without; if shards are being packed here, that has not finished: "
                "run the same command again"
            ) from error

    def open(self, file: ManifestFile) -> Store:
        path = self._folder / file.name
        found_bytes = path.stat().st_size
        if found_bytes != file.bytes:
            raise StoreFormatError(
                f"{path}: expected {file.bytes} bytes, as the manifest says, found {found_bytes}; "
                "copy the folder again"
            )
        return Store(path)

    def mend(self, file: ManifestFile) -> bool:  # noqa: ARG002 -- there is only this one
        return False


def shard_folder(
    path: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None, cache_bytes: int | None
) -> ShardFolder:
    """Where the sharded store at a path or URL has its files."""
    if "://" not in os.fspath(path):
        return LocalFolder(path)
    from fastload.store.shard_cache import ShardCache  # wants fsspec

    return ShardCache(os.fspath(path), cache_dir, cache_bytes)


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
        self._open_shards: OrderedDict[int, Store] = OrderedDict()
        self._shards_lock = threading.Lock()
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

    def shard(self, number: int) -> Store:
        """One shard, open; brought here where it is remote. Safe to call from many threads.

        Raises:
            StoreFormatError: it is not what the manifest says.
            StoreError, OSError: it cannot be had.
            StoreClosedError: after ``close()``.
        """
        self._open_handle()
        if self._process != os.getpid():  # a thread may have held the lock during the fork
            self._process, self._shards_lock = os.getpid(), threading.Lock()
        with self._shards_lock:
            found = self._open_shards.get(number)
            if found is not None:
                self._open_shards.move_to_end(number)
                return found
        shard = self.manifest.shards[number]
        opened = self.folder.open(shard)
        if (opened.header.store_id, len(opened)) != (shard.store_id, shard.samples):
            raise StoreFormatError(
                f"{self.location}: shard {shard.name}: expected the store {shard.store_id} of "
                f"{shard.samples} samples, found {opened.header.store_id} of {len(opened)}"
            )
        with self._shards_lock:
            self._open_shards[number] = opened
            while len(self._open_shards) > _OPEN_SHARDS:
                self._open_shards.popitem(last=False)
        return opened

    def forget(self, number: int) -> None:
        """Let go of a shard; who reads from it finishes."""
        with self._shards_lock:
            self._open_shards.pop(number, None)
        for watcher in self._watchers:
            call = watcher()
            if call is not None:
                call(number)

    def watch(self, call: Callable[[int], None]) -> None:
        """Have a method called with each shard that is let go; it is not kept alive."""
        self._watchers.append(weakref.WeakMethod(call))

    def close(self) -> None:
        """As of any store; shards too."""
        super().close()
        self._columns_store.close()
        with self._shards_lock:
            self._open_shards.clear()

    def _read(self, index: int, verify: bool | None) -> tuple[bytes, Record]:
        position = self._checked_index(index)
        parts, places = self.places
        number, place = int(parts[position]), int(places[position])
        for attempt in range(2):
            shard = self.shard(number)
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
