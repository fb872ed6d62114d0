"""Bytes on their way into a file: small pieces gathered, every write checksummed."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from fastload import _core

#: Pieces from this size on are written from where they are, smaller ones are gathered.
DIRECT_BYTES = 256 << 10
#: No write is larger: checksum and write of a block follow each other while it is in the cache.
BLOCK_BYTES = 4 << 20

Write = Callable[[bytes | bytearray | memoryview], None]


class Sink:
    """Passes bytes on in blocks of at most 4 MiB and keeps each block's length and checksum.

    Neither checksums nor writes hold the GIL, and per block there is little else.

    Attributes:
        position: bytes taken so far.
        blocks: (length, XXH3_64) of each block written so far, in order.
    """

    def __init__(self, write: Write) -> None:
        self.position = 0
        self.blocks: list[tuple[int, int]] = []
        self._write = write
        self._gathered = bytearray(BLOCK_BYTES)
        self._gathered_bytes = 0

    def add(self, data: bytes | memoryview) -> int:
        """Take a piece; gives its CRC-32."""
        view = memoryview(data)
        crc = 0
        self.position += len(view)
        if len(view) < DIRECT_BYTES:
            if self._gathered_bytes + len(view) > BLOCK_BYTES:
                self.flush()
            end = self._gathered_bytes + len(view)
            self._gathered[self._gathered_bytes : end] = view
            self._gathered_bytes = end
            return zlib.crc32(view)
        self.flush()
        for start in range(0, len(view), BLOCK_BYTES):
            block = view[start : start + BLOCK_BYTES]
            crc = zlib.crc32(block, crc)
            self._pass_on(block)
        return crc

    def flush(self) -> None:
        """Write what is gathered."""
        if self._gathered_bytes:
            block = memoryview(self._gathered)[: self._gathered_bytes]
            self._gathered_bytes = 0
            self._pass_on(block)

    def _pass_on(self, block: memoryview) -> None:
        self.blocks.append((len(block), _core.xxh3_64(block)))
        self._write(block)
