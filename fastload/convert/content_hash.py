"""A store's content as one number: equal for two stores that hold the same, however packed."""

from __future__ import annotations

import numpy as np

from fastload import _core
from fastload.store import Store

__all__ = ["ContentHash"]

#: Where records stand: not a part of what they are.
_PLACES = ("file_offset", "shard")


class ContentHash:
    """The hash over all records, in order, and then all columns."""

    def __init__(self) -> None:
        self._digest = _core.xxh3_128(b"")

    def add(self, record_hash: bytes) -> None:
        """The next record's XXH3-128."""
        self._digest = _core.xxh3_128(self._digest + record_hash)

    def finish(self, store: Store) -> str:
        """Hex, with the columns that do not depend on where LMDB put the records."""
        columns = b"".join(
            _core.xxh3_128(np.ascontiguousarray(store.column(name)).view(np.uint8).data)
            for name in store.column_names
            if name not in _PLACES
        )
        return _core.xxh3_128(self._digest + columns).hex()
