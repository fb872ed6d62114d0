"""The photos of one store or several, numbered through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fastload.convert.findings import Finding, Severity
from fastload.convert.ordered import ordered
from fastload.convert.originals import original_name
from fastload.convert.perceptual import HASH_SIDE, load_perceptual_hash
from fastload.convert.progress import Progress, Throttled
from fastload.convert.repeats import content_numbers
from fastload.convert.roles import most_held_out, role_of
from fastload.convert.thumbnail import small_picture
from fastload.store import NO_SPLIT, Store

__all__ = ["PhotoHashes", "StorePhotos"]


class StorePhotos:
    """The photos of several stores, numbered through."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self.stores = stores
        self._starts = np.cumsum([0, *map(len, stores)])
        hashes = [np.empty((0, 16), np.uint8), *map(_file_hashes, stores)]
        self.contents = content_numbers(np.concatenate(hashes))
        self.role_names: list[str] = []
        self.roles = np.concatenate([np.empty(0, np.int64), *map(self._roles, stores)])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def place(self, photo: int) -> tuple[Store, int]:
        """The store of a photo, and its index there."""
        number = int(np.searchsorted(self._starts, photo, "right")) - 1
        return self.stores[number], photo - int(self._starts[number])

    def name(self, photo: int) -> str:
        """Its name; with its store's where there are several."""
        store, index = self.place(photo)
        name = store.names[index]
        return name if len(self.stores) == 1 else f"{_base(store)}: {name}"

    def role_members(self) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """The roles and their photos; what is to learn from comes first."""
        ranked = sorted(range(len(self.role_names)), key=self._rank)
        for role in ranked:
            yield self.role_names[role], np.flatnonzero(self.roles == role)

    def _rank(self, role: int) -> tuple[int, int]:
        return most_held_out(self.role_names[role]), role

    def _roles(self, store: Store) -> NDArray[np.int64]:
        header = store.header
        alone = str(header.options.get("split") or os.path.splitext(_base(store))[0])
        names = [*map(role_of, header.split_names), role_of(alone)]
        numbers = np.array([self._number(name) for name in names])
        splits = store.column("split").astype(np.int64)
        found: NDArray[np.int64] = numbers[np.where(splits == NO_SPLIT, len(names) - 1, splits)]
        return found

    def _number(self, name: str) -> int:
        if name not in self.role_names:
            self.role_names.append(name)
        return self.role_names.index(name)


class PhotoHashes:
    """Makes perceptual hashes. Safe to use from many threads."""

    def __init__(self, photos: StorePhotos, note: Callable[[Finding], None]) -> None:
        self._photos = photos
        self._note = note
        self._hash = load_perceptual_hash()

    def make(
        self, workers: int, progress: Progress
    ) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
        """The hashes of all photos, and which have one."""
        count = len(self._photos)
        hashes, known = np.zeros(count, np.uint64), np.zeros(count, np.bool_)
        progress.start("hashing", count)
        throttled = Throttled(progress)
        for photo, found in ordered(self._one, range(count), workers=workers, window=64 * workers):
            if isinstance(found, Finding):
                self._note(found)
            elif found is not None:
                hashes[photo], known[photo] = found, True
            throttled.advance(1, 0)
        throttled.flush()
        return hashes, known

    def _one(self, _ticket: int, photo: int) -> int | Finding | None:
        store, index = self._photos.place(photo)
        size = HASH_SIDE, HASH_SIDE
        try:
            return self._hash(small_picture(store, index, size, HASH_SIDE, filter="lanczos"))
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever the bytes lead it to
            name = self._photos.name(photo)
            return Finding(name, Severity.PROBLEM, "record", f"cannot be decoded: {error}")


def _base(store: Store) -> str:
    """The name of the store's file."""
    return os.path.basename(os.fspath(store.path))


def _file_hashes(store: Store) -> NDArray[np.uint8]:
    """Of the source's files, also where the store holds something else in their place."""
    hashes: NDArray[np.uint8] = store.column(original_name("content_hash", store.column_names))
    return hashes
