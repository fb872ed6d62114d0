"""Whether a file is the checkpoint that was written: every byte is compared with its checksum."""

from __future__ import annotations

import json
import os
from pathlib import Path

from fastload import _core
from fastload.checkpoint.record import (
    MOST_RECORD_BYTES,
    RECORD_NAME,
    TRAILER_BYTES,
    Record,
    decode_record,
    decode_trailer,
)
from fastload.checkpoint.safetensors_file import HEADER_CHECKSUM, fill_checksum
from fastload.errors import CheckpointDamagedError


def read_record(path: Path) -> Record:
    """What a checkpoint says of itself; reads its end (or its header), not the state.

    Raises:
        CheckpointDamagedError: it is none, or damaged in what was read.
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        return _read_record(path, file.fileno())[0]


def verify_file(path: Path) -> Record:
    """Read the whole file and compare.

    Raises:
        CheckpointDamagedError: where it differs, with the place.
        OSError: it cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        descriptor = file.fileno()
        record, start, end = _read_record(path, descriptor)
        position = start
        for length, checksum in record.blocks:
            # The table itself is checksummed, so this is about a file that grew or shrank.
            if not 0 <= length <= end - position:
                break
            if _core.xxh3_64(_read(descriptor, position, length)) != checksum:
                raise CheckpointDamagedError(
                    f"bytes {position} to {position + length} are not those that were written "
                    "(checksum)"
                )
            position += length
        if position != end:
            raise CheckpointDamagedError(f"expected {end} bytes under checksums, found {position}")
        return record


def _read_record(path: Path, descriptor: int) -> tuple[Record, int, int]:
    """(record, first byte that its blocks cover, byte behind the last)."""
    size = os.fstat(descriptor).st_size
    if path.suffix == ".safetensors":
        return _read_header(descriptor, size)
    trailer = _read(descriptor, max(0, size - TRAILER_BYTES), min(size, TRAILER_BYTES))
    offset, checksum = decode_trailer(trailer)
    tail_bytes = size - TRAILER_BYTES - offset
    if not 0 <= tail_bytes <= MOST_RECORD_BYTES:
        raise CheckpointDamagedError(f"it ends {tail_bytes} bytes behind its state: bytes are lost")
    tail = _read(descriptor, offset, tail_bytes)
    if _core.xxh3_64(tail) != checksum:
        raise CheckpointDamagedError(f"bytes {offset} to {size} are not those that were written")
    # The tail begins with the record's local header: 30 bytes, name, extra field.
    start = 30 + int.from_bytes(tail[26:28], "little") + int.from_bytes(tail[28:30], "little")
    end = tail.find(b"PK\x07\x08", start)  # JSON in ASCII holds no such bytes
    return decode_record(tail[start:end]), 0, offset


def _read_header(descriptor: int, size: int) -> tuple[Record, int, int]:
    length = int.from_bytes(_read(descriptor, 0, min(size, 8)), "little")
    if not 2 <= length <= min(MOST_RECORD_BYTES, size - 8):
        raise CheckpointDamagedError(f"its header would be {length} of {size} bytes long")
    header = _read(descriptor, 8, length)
    try:
        metadata = json.loads(header)["__metadata__"]
        record, checksum = metadata[RECORD_NAME], metadata[HEADER_CHECKSUM]
        blank = fill_checksum(header, checksum, "0" * 16)
        matches = f"{_core.xxh3_64(blank):016x}" == checksum
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointDamagedError(f"its header is none by fastload: {error!r}") from error
    if not matches:
        raise CheckpointDamagedError("its header is not the one that was written (checksum)")
    return decode_record(record), 8 + length, size


def _read(descriptor: int, offset: int, length: int) -> bytes:
    """Exactly these bytes; blocks are 4 MiB at most, tails and headers have a limit."""
    parts = []
    while length:
        part = os.pread(descriptor, length, offset)
        if not part:
            raise CheckpointDamagedError(f"the file ends at byte {offset}, {length} before its end")
        parts.append(part)
        offset += len(part)
        length -= len(part)
    return b"".join(parts)
