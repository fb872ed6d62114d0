"""A text for each row of a table, compressed."""

from __future__ import annotations

import json
import math
import zlib
from array import array
from collections.abc import Mapping
from functools import lru_cache

__all__ = ["RowTexts", "row_text"]

_ROWS_A_BLOCK = 256
_LEVEL = 1


class RowTexts:
    """Texts by the number of their row; read from many threads once all are added.

    Attributes:
        size_bytes: of all texts.
    """

    def __init__(self) -> None:
        self.size_bytes = 0
        self._ends = array("Q")  # in the text of all blocks
        self._blocks: list[bytes] = []
        self._pending = bytearray()
        self._block = lru_cache(maxsize=8)(self._inflated)

    def add(self, text: bytes) -> None:
        """The text of the next row; b"": it has none."""
        self._pending += text
        self.size_bytes += len(text)
        self._ends.append(self.size_bytes)
        if len(self._ends) % _ROWS_A_BLOCK == 0:
            self._blocks.append(zlib.compress(self._pending, _LEVEL))
            self._pending.clear()

    def __getitem__(self, row: int) -> bytes:
        number = row // _ROWS_A_BLOCK
        first = number * _ROWS_A_BLOCK
        start = self._ends[first - 1] if first else 0
        begin = self._ends[row - 1] if row else 0
        return self._block(number)[begin - start : self._ends[row] - start]

    def _inflated(self, number: int) -> bytes:
        if number == len(self._blocks):
            return bytes(self._pending)
        return zlib.decompress(self._blocks[number])


def row_text(values: Mapping[str, object]) -> bytes:
    """A row's values as a line of JSON, UTF-8; b"" where all are None.

    Numbers that JSON does not have (NaN, infinities) become null.
    """
    if all(value is None for value in values.values()):
        return b""
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
    text = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
