"""The store that an update replaces, and what of it can stand in the new one."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import numpy as np

from fastload import _core
from fastload.convert.files import FileBytes
from fastload.convert.originals import Original, original_name
from fastload.convert.photo import PackedPhoto
from fastload.errors import RecordError, StoreFormatError
from fastload.records import decode_record
from fastload.store import Store

__all__ = ["EarlierStore"]


class EarlierStore:
    """Gives photos as they were packed before. Safe for many threads.

    A record depends on a file's bytes and on how they are packed, on nothing else: what is taken
    from here is what packing the file would give. Records that are damaged are not given, so that
    their files are packed again.

    Args:
        store: packed with the same choices of what becomes of a file's bytes; stays the caller's.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        column, names = store.column, store.column_names
        self._formats = column("format")
        self._warnings = column("warnings")
        self._hashes = column("content_hash")
        self._stamps = (
            column(original_name("source_size", names)),
            column("source_mtime_ns"),
            column("source_mode"),
        )
        self._original_hashes = column(original_name("content_hash", names))
        self._heights = column(original_name("height", names))
        self._widths = column(original_name("width", names))
        # By their first 8 bytes, in order.
        firsts = np.ascontiguousarray(self._original_hashes).view("<u8").reshape(-1, 2)[:, 0]
        self._order = np.argsort(firsts, kind="stable")
        self._firsts = firsts[self._order]
        store.names.find("")  # builds its index here, rather than in several threads

    def unchanged(
        self, name: str, stamp: tuple[int, int, int]
    ) -> tuple[FileBytes, PackedPhoto] | None:
        """The photo of that name, where (size, mtime in ns, ``st_mode``) are as when it was packed.

        The file is not read: ``FileBytes.data`` is empty.
        """
        index = self.store.names.find(name)
        if index is None or tuple(int(column[index]) for column in self._stamps) != stamp:
            return None
        photo = self._photo(index)
        _size, mtime_ns, mode = stamp
        return None if photo is None else (FileBytes(b"", mtime_ns, stat.S_IMODE(mode)), photo)

    def same(self, data: bytes) -> PackedPhoto | None:
        """The photo of a file of these bytes, whatever its name was."""
        for index in self._indices(_core.xxh3_128(data)):
            if int(self._stamps[0][index]) == len(data):
                photo = self._photo(index)
                if photo is not None:
                    return photo
        return None

    def holds(self, content_hash: bytes) -> bool:
        """Whether there is a photo of a file with this XXH3-128."""
        return next(self._indices(content_hash), None) is not None

    def _indices(self, content_hash: bytes) -> Iterator[int]:
        first = np.frombuffer(content_hash, "<u8")[0]
        for place in range(int(np.searchsorted(self._firsts, first)), len(self._firsts)):
            if self._firsts[place] != first:
                break
            index = int(self._order[place])
            if self._original_hashes[index].tobytes() == content_hash:
                yield index

    def _photo(self, index: int) -> PackedPhoto | None:
        try:
            encoded = self.store.record_bytes(index, verify=True)
        except (RecordError, StoreFormatError, OSError):  # of shards, a whole file may be missing
            return None
        return PackedPhoto(
            decode_record(encoded, verify_body=False),
            self.store.header.formats[int(self._formats[index])],
            int(self._warnings[index]),
            self._hashes[index].tobytes(),
            Original(
                int(self._stamps[0][index]),
                self._original_hashes[index].tobytes(),
                int(self._heights[index]),
                int(self._widths[index]),
            ),
            encoded,
        )
