"""Attached files as bytes: compressed where that makes them smaller."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.native import _core
from fastload.store.annotation_header import AttachedFile

__all__ = ["Attaching", "attach", "attached_file"]

_LEVEL = 6
#: What is larger is compressed with little effort: seconds for a COCO file of 450 MB.
_LARGE_BYTES = 32 << 20


class Attaching:
    """One file that is attached piece by piece.

    Args:
        size: its bytes, as far as they are known.
    """

    def __init__(self, size: int) -> None:
        self._hasher = _core.Xxh3Hasher()
        self._deflater = zlib.compressobj(1 if size > _LARGE_BYTES else _LEVEL)
        self._packed = io.BytesIO()
        self._size = 0

    def add(self, piece: bytes) -> None:
        """The next bytes of the file."""
        self._size += len(piece)
        self._hasher.update(piece)
        self._packed.write(self._deflater.compress(piece))

    def finish(self, name: str, mtime_ns: int, mode: int) -> tuple[AttachedFile, bytes]:
        """The file's description, and its contents as stored."""
        self._packed.write(self._deflater.flush())
        packed = self._packed.getvalue()
        stored = packed if len(packed) < self._size else zlib.decompress(packed)
        content_hash = self._hasher.digest().hex()
        return AttachedFile(name, self._size, len(stored), mtime_ns, mode, content_hash), stored


def attach(
    files: Iterable[tuple[str, bytes, int, int]],
) -> tuple[tuple[AttachedFile, ...], bytes]:
    """Descriptions of files, and their contents as stored, one behind the other.

    Args:
        files: (name, bytes, mtime in ns, ``st_mode``) each.
    """
    found, parts = [], []
    for name, data, mtime_ns, mode in files:
        attaching = Attaching(len(data))
        attaching.add(data)
        described, stored = attaching.finish(name, mtime_ns, mode)
        found.append(described)
        parts.append(stored)
    return tuple(found), b"".join(parts)


def attached_file(file: AttachedFile, stored: NDArray[np.uint8]) -> bytes:
    """A file's bytes again.

    Args:
        file: its description.
        stored: its stored bytes, and any behind them.

    Raises:
        StoreFormatError: damaged.
    """
    data = stored[: file.stored_size].tobytes()
    if file.stored_size < file.size:
        inflater = zlib.decompressobj()
        try:
            data = inflater.decompress(data, file.size)
            whole = not inflater.decompress(inflater.unconsumed_tail, 1) and inflater.eof
        except zlib.error as error:
            raise StoreFormatError(f"file {file.name!r}: {error}") from error
        if not whole:
            data = b""
    if len(data) != file.size or _core.xxh3_128(data).hex() != file.content_hash:
        raise StoreFormatError(f"file {file.name!r}: not the bytes that were packed")
    return data
