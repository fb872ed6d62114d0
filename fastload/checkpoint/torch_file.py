"""The zip archive that ``torch.save`` writes, byte for byte, with fastload's own record behind it.

Note [zip layout]: entries are stored, not compressed. Sizes and CRC-32 follow the data in a
descriptor (none where there is no data), so that a file is written in one pass. Each entry's data
begins at a multiple of 64 bytes: the extra field "FB" pads the local header. ZIP64 fields stand
where a size or an offset needs them, as in miniz; the ZIP64 end of directory always does.
``tests/checkpoint/test_torch_file.py`` compares with torch's own bytes.
"""

from __future__ import annotations

import sys
from struct import pack
from typing import NamedTuple

from fastload import _core
from fastload.checkpoint.plan import Entry, FilePlan
from fastload.checkpoint.record import RECORD_NAME, encode_record, encode_trailer
from fastload.checkpoint.sink import Sink

ALIGNMENT = 64
_ROOT = "archive/"
_LARGE = 0xFFFFFFFF  # what 32-bit fields hold where a ZIP64 field holds the truth
_FLAGS = 0x0800  # the name is UTF-8
_DESCRIPTOR = 0x0008  # sizes and CRC-32 follow the data


def torch_entries(pickled: bytes, storages: list[Entry]) -> tuple[Entry, ...]:
    """All entries of a file in torch's order.

    Args:
        pickled: ``data.pkl``: the state with persistent ids for storages.
        storages: their bytes, named "data/0" and on.
    """
    number = _core.xxh3_64(pickled)
    return (
        Entry("data.pkl", pickled),
        Entry(".format_version", b"1"),
        Entry(".storage_alignment", b"%d" % ALIGNMENT),
        Entry("byteorder", sys.byteorder.encode()),
        *storages,
        Entry("version", b"3\n"),
        # torch's is a hash, too, 40 digits long, that tells archives apart.
        Entry(".data/serialization_id", b"%020d%020d" % (number, len(storages))),
    )


class _Member(NamedTuple):
    name: bytes
    offset: int
    size: int
    crc: int


class _Archive:
    """Members written so far."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.members: list[_Member] = []

    def add(self, name: str, data: bytes | memoryview) -> None:
        """One entry: local header, data, descriptor."""
        encoded = (_ROOT + name).encode()
        offset, size = self.sink.position, len(data)
        zip64 = _zip64_field(size, offset)
        start = offset + 30 + len(encoded) + len(zip64) + 4
        padding = -start % ALIGNMENT
        extra = zip64 + b"FB" + pack("<H", padding) + b"Z" * padding
        lengths = pack("<HH", len(encoded), len(extra))
        header = b"PK\x03\x04" + pack("<HHHHHIII", 0, _flags(size), 0, 0, 0, 0, 0, 0) + lengths
        self.sink.add(header + encoded + extra)
        crc = self.sink.add(data)
        if size:
            sizes = pack("<QQ" if zip64 else "<II", size, size)
            self.sink.add(b"PK\x07\x08" + pack("<I", crc) + sizes)
        self.members.append(_Member(encoded, offset, size, crc))

    def directory(self, comment: bytes) -> bytes:
        """What stands behind the last entry."""
        start = self.sink.position
        parts = []
        for name, offset, size, crc in self.members:
            zip64 = _zip64_field(size, offset)
            parts.append(
                b"PK\x01\x02"
                + pack("<HHHHHHIIIHHHHHII", 0, 0, _flags(size), 0, 0, 0, crc, min(size, _LARGE),
                       min(size, _LARGE), len(name), len(zip64), 0, 0, 0, 0, min(offset, _LARGE))
                + name
                + zip64
            )  # fmt: skip
        entries = b"".join(parts)
        count, size = len(self.members), len(entries)
        return (
            entries
            + b"PK\x06\x06"
            + pack("<QHHIIQQQQ", 44, 0x031E, 45, 0, 0, count, count, size, start)
            + b"PK\x06\x07"
            + pack("<IQI", 0, start + size, 1)
            + b"PK\x05\x06"
            + pack("<HHHHIIH", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(size, _LARGE),
                   min(start, _LARGE), len(comment))
        )  # fmt: skip


def _flags(size: int) -> int:
    return _FLAGS | (_DESCRIPTOR if size else 0)


def _zip64_field(size: int, offset: int) -> bytes:
    values = b""
    if size >= _LARGE:
        values += pack("<QQ", size, size)
    if offset >= _LARGE:
        values += pack("<Q", offset)
    return b"\x01\x00" + pack("<H", len(values)) + values if values else b""


def write_torch_file(plan: FilePlan, sink: Sink) -> None:
    """Write a resolved plan; ends with fastload's record and a trailer in the archive's comment."""
    archive = _Archive(sink)
    for entry in plan.entries:
        archive.add(entry.name, entry.view)
    sink.flush()
    covered = sink.position
    tail = _Tail(covered)
    behind = _Archive(tail)
    behind.members = archive.members
    behind.add(RECORD_NAME, encode_record(plan.info, sink.blocks))
    comment_bytes = len(encode_trailer(0, b""))
    tail.data += behind.directory(b"\0" * comment_bytes)
    sink.add(tail.data + encode_trailer(covered, bytes(tail.data)))
    sink.flush()


class _Tail(Sink):
    """Gathers what stands behind the checksummed blocks."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.data = b""

    def add(self, data: bytes | memoryview) -> int:
        from zlib import crc32

        self.position += len(data)
        self.data += data
        return crc32(data)
