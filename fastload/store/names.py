"""The samples' names: a sequence over two columns, no Python object a sample."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.native import _core

__all__ = ["Names", "name_bytes"]


def name_bytes(name: str | bytes) -> bytes:
    """A name as the store keeps it: UTF-8, undecodable bytes kept (surrogateescape)."""
    return name if isinstance(name, bytes) else name.encode("utf-8", "surrogateescape")


class Names(Sequence[str]):
    """Relative paths with "/", in sample order; undecodable bytes kept by surrogateescape.

    A slice is another ``Names`` over the same columns.

    Args:
        offsets: uint64 [N + 1]; name i is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8 [bytes], all names' UTF-8.

    Raises:
        StoreFormatError: the offsets are no ascending ones from 0 to the data's size.
    """

    def __init__(self, offsets: NDArray[np.uint64], data: NDArray[np.uint8]) -> None:
        ascending = bool(np.all(offsets[1:] >= offsets[:-1])) if len(offsets) else False
        if not ascending or int(offsets[0]) != 0 or int(offsets[-1]) != len(data):
            raise StoreFormatError(
                f"names: expected offsets that ascend from 0 to {len(data)}, found others"
            )
        self._offsets = offsets
        self._data: memoryview = data.data
        self._rows = range(len(offsets) - 1)
        self._index: tuple[NDArray[np.uint64], NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Names: ...
    def __getitem__(self, index: int | slice) -> str | Names:
        if not isinstance(index, slice):
            return self.encoded(operator.index(index)).decode("utf-8", "surrogateescape")
        part = Names.__new__(Names)
        part._offsets, part._data, part._index = self._offsets, self._data, None
        part._rows = self._rows[index]
        return part

    def __iter__(self) -> Iterator[str]:
        for position in range(len(self._rows)):
            yield self[position]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.find(name) is not None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # as for other sequences that compare by content

    def __repr__(self) -> str:
        shown = ", ".join(repr(name) for name in self[:3])
        return f"<{len(self)} names: {shown}{', ...' if len(self) > 3 else ''}>"

    def encoded(self, position: int) -> bytes:
        """One name's bytes, as the file system gave them."""
        row = self._rows[position]
        return bytes(self._data[int(self._offsets[row]) : int(self._offsets[row + 1])])

    def endings(self, size: int) -> NDArray[np.uint8]:
        """The last ``size`` bytes of each name; uint8 [N, size], with zeros before shorter ones."""
        rows = np.arange(self._rows.start, self._rows.stop, self._rows.step)
        begin, end = (self._offsets[rows + more].astype(np.int64) for more in (0, 1))
        found = np.zeros((len(rows), size), np.uint8)
        data = np.frombuffer(self._data, np.uint8)
        for place in range(size):
            at = end - size + place
            has_it = at >= begin
            found[has_it, place] = data[at[has_it]]
        return found

    def find(self, name: str | bytes) -> int | None:
        """The first position of that name, or None; the first call builds a sorted index.

        The index costs 16 bytes a name and lives as long as this object.
        """
        if self._index is None:
            self._index = self._build_index()
        hashes, order = self._index
        wanted = name_bytes(name)
        wanted_hash = np.uint64(_core.xxh3_64(wanted))
        for place in range(int(np.searchsorted(hashes, wanted_hash)), len(hashes)):
            if hashes[place] != wanted_hash:
                break
            if self.encoded(int(order[place])) == wanted:
                return int(order[place])
        return None

    def _build_index(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        hashes = np.fromiter(
            (_core.xxh3_64(self.encoded(position)) for position in range(len(self))),
            np.uint64,
            len(self),
        )
        order = np.argsort(hashes, kind="stable")
        return hashes[order], order
