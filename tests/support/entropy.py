"""Huffman tables and a bit writer for the encoder of made JPEG files (T.81, annexes C and F)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cache

from PIL import Image

from support.markers import DHT, Segment, split


@dataclass(frozen=True, slots=True)
class HuffmanTable:
    """A table as DHT states it: how many codes of each length 1..16, and their symbols."""

    counts: tuple[int, ...]
    symbols: tuple[int, ...]

    def codes(self) -> dict[int, tuple[int, int]]:
        """Symbol -> (code, its length in bits)."""
        result: dict[int, tuple[int, int]] = {}
        code = 0
        place = 0
        for length, count in enumerate(self.counts, start=1):
            for symbol in self.symbols[place : place + count]:
                result[symbol] = (code, length)
                code += 1
            place += count
            code <<= 1
        return result

    def segment(self, table_class: int, number: int) -> Segment:
        """A DHT segment with this table alone; class 0 is DC, 1 is AC."""
        return Segment(
            DHT, bytes((table_class << 4 | number,)) + bytes(self.counts) + bytes(self.symbols)
        )


def flat_table(symbols: range | tuple[int, ...]) -> HuffmanTable:
    """All codes equally long, the all-ones code left unused as the standard demands."""
    length = max(1, len(symbols).bit_length())
    counts = [0] * 16
    counts[length - 1] = len(symbols)
    return HuffmanTable(tuple(counts), tuple(symbols))


@cache
def standard_tables() -> dict[tuple[int, int], HuffmanTable]:
    """(class, number) -> the tables of T.81 annex K, as libjpeg writes by default."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    tables: dict[tuple[int, int], HuffmanTable] = {}
    for segment in split(buffer.getvalue()):
        if segment.marker != DHT:
            continue
        rest = segment.payload
        while rest:
            counts = tuple(rest[1:17])
            end = 17 + sum(counts)
            tables[rest[0] >> 4, rest[0] & 15] = HuffmanTable(counts, tuple(rest[17:end]))
            rest = rest[end:]
    return tables


class BitWriter:
    """Bits into bytes, first bit highest, a zero byte stuffed behind every FF."""

    def __init__(self, pad_bit: int = 1) -> None:
        self._pad_bit = pad_bit
        self._bits: list[str] = []
        self._done = bytearray()

    def write(self, value: int, length: int) -> None:
        """Append the ``length`` low bits of ``value``."""
        if length:
            self._bits.append(format(value & ((1 << length) - 1), f"0{length}b"))

    def flush(self) -> None:
        """Fill the last byte with the pad bit."""
        bits = "".join(self._bits)
        self._bits.clear()
        bits += str(self._pad_bit) * (-len(bits) % 8)
        for start in range(0, len(bits), 8):
            byte = int(bits[start : start + 8], 2)
            self._done.append(byte)
            if byte == 0xFF:
                self._done.append(0)

    def marker(self, marker: int) -> None:
        """Fill the byte, then append a marker."""
        self.flush()
        self._done += bytes((0xFF, marker))

    def getvalue(self) -> bytes:
        """Everything up to the last flush."""
        return bytes(self._done)


def magnitude(value: int) -> tuple[int, int]:
    """(size category, that many bits) of a difference or coefficient (T.81, F.1.2.1)."""
    size = abs(value).bit_length()
    return size, value if value >= 0 else value + (1 << size) - 1
