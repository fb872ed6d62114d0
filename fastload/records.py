"""A record: one picture of a store as bytes, and back.  Pure; knows nothing of files or LMDB.

Layout (little-endian; docs/format.md specifies it, ``csrc/record.h`` reads the same bytes)::

     0 4s  magic "FLRC"      8 u64 sample index      32 u64 body_size
     4 u8  version = 1      16 u32 height            40 u64 body_xxh3 = XXH3_64(body)
     5 u8  codec            20 u32 width             48 u64 source_size
     6 u8  orientation      24 u32 head_size         56 u64 head_xxh3 = XXH3_64(bytes 0..55 + head)
     7 u8  flags            28 u32 zero              64 head, then body
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from fastload.errors import StoreFormatError
from fastload.native import _core
from fastload.restore_dictionary import restore_dictionary

__all__ = [
    "HEADER_BYTES",
    "MAX_RECORD_BYTES",
    "Buffer",
    "Codec",
    "Record",
    "decode_record",
    "encode_record",
    "pack_restore_block",
    "record_parts",
    "renumber_record",
    "renumbered_parts",
    "source_bytes",
    "stated_length",
    "unpack_restore_block",
]

Buffer = bytes | bytearray | memoryview

HEADER_BYTES = 64
#: LMDB keeps a value's size in 32 bits.
MAX_RECORD_BYTES = 0xFFFF_FFFF
#: Deflate cannot expand a byte to more than this many; a larger claim is a lie.
_MAX_DEFLATE_RATIO = 1032

_MAGIC = b"FLRC"
_VERSION = 1
_FLAG_GRAY = 1
_HEADER = struct.Struct("<4sBBBBQIIIIQQQ")  # bytes 0..55; head_xxh3 follows
_HASH = struct.Struct("<Q")
_RESTORE = struct.Struct("<II")
_ENTROPY_SIZE = struct.Struct("<I")
_ENTROPY_SIZE_OFFSET = 12  # within a head of codec tiles


class Codec(IntEnum):
    """How a record keeps its picture."""

    TILES = 1  #: JPEG, transcoded without loss to one restart interval a tile; restorable
    JPEG = 2  #: the file's own JPEG bytes
    RAW = 3  #: height x width x 3 bytes of RGB; the source's bytes are gone
    OTHER = 4  #: the file's own bytes, which Pillow decodes


@dataclass(frozen=True, slots=True)
class Record:
    """One picture of a store.

    Attributes:
        codec: how head and body keep the picture.
        orientation: EXIF orientation, 1..8; 0 where the file has none.
        gray: the picture has one component.
        index: the sample's index in its store.
        height: rows, as stored (not turned by the orientation).
        width: columns, as stored.
        source_size: bytes of the original file; 0 for ``RAW``.
        head: what a decoder needs first (codec ``TILES``: sizes and tile table), else empty.
        body: the picture's bytes.
    """

    codec: Codec
    orientation: int
    gray: bool
    index: int
    height: int
    width: int
    source_size: int
    head: bytes | memoryview
    body: bytes | memoryview


def encode_record(record: Record, *, index: int | None = None) -> bytes:
    """The record's bytes, checksums included.

    Args:
        record: what to encode.
        index: the sample index to write in place of ``record.index``.

    Raises:
        ValueError: a field does not fit the layout.
    """
    return b"".join(record_parts(record, index=index))


def record_parts(record: Record, *, index: int | None = None) -> tuple[bytes, Buffer]:
    """What ``encode_record`` joins: header and head, and the body, which is not copied."""
    total_bytes = HEADER_BYTES + len(record.head) + len(record.body)
    if total_bytes > MAX_RECORD_BYTES:
        raise ValueError(
            f"record {index if index is not None else record.index}: expected at most "
            f"{MAX_RECORD_BYTES} bytes, found {total_bytes}; a store cannot hold a larger picture"
        )
    if not 0 <= record.orientation <= 8:
        raise ValueError(f"orientation: expected 0..8, found {record.orientation}")
    try:
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            Codec(record.codec),
            record.orientation,
            _FLAG_GRAY if record.gray else 0,
            record.index if index is None else index,
            record.height,
            record.width,
            len(record.head),
            0,
            len(record.body),
            _core.xxh3_64(record.body),
            record.source_size,
        )
    except struct.error as error:
        raise ValueError(f"a field of the record does not fit its place: {error}") from error
    head_hash = _HASH.pack(_core.xxh3_64(header + record.head))
    return b"".join((header, head_hash, record.head)), record.body


def renumbered_parts(data: Buffer, index: int) -> tuple[bytes, Buffer]:
    """What ``renumber_record`` joins: header and head, and the body, which is not copied."""
    view = memoryview(data)
    fields = list(_HEADER.unpack_from(view))
    body_start = HEADER_BYTES + fields[8]
    fields[5] = index
    header, head = _HEADER.pack(*fields), view[HEADER_BYTES:body_start]
    head_hash = _HASH.pack(_core.xxh3_64(header + head))
    return b"".join((header, head_hash, head)), view[body_start:]


def decode_record(data: Buffer, *, verify_body: bool = True) -> Record:
    """Read a record; ``head`` and ``body`` are views into ``data``, not copies.

    Args:
        data: exactly one record.
        verify_body: also compare the body with its checksum (the head's is always compared).

    Raises:
        StoreFormatError: the bytes are no record, of another version, or damaged.
    """
    view = memoryview(data).cast("B") if not isinstance(data, memoryview) else data
    if len(view) < HEADER_BYTES:
        raise StoreFormatError(f"record: expected at least 64 bytes, found {len(view)}")
    (
        magic,
        version,
        codec,
        orientation,
        flags,
        index,
        height,
        width,
        head_bytes,
        zero,
        body_bytes,
        body_hash,
        source_size,
    ) = _HEADER.unpack_from(view)
    if magic != _MAGIC:
        raise StoreFormatError(f"record: expected the magic {_MAGIC!r}, found {magic!r}")
    if version != _VERSION:
        raise StoreFormatError(
            f"record: expected version {_VERSION}, found {version}; "
            "a newer release of fastload wrote it"
        )
    body_start = HEADER_BYTES + head_bytes
    if body_start + body_bytes != len(view):
        raise StoreFormatError(
            f"record: expected {HEADER_BYTES} + {head_bytes} + {body_bytes} bytes "
            f"(header, head, body), found {len(view)}"
        )
    head = view[HEADER_BYTES:body_start]
    (head_hash,) = _HASH.unpack_from(view, _HEADER.size)
    found_hash = _core.xxh3_64(b"".join((view[: _HEADER.size], head)))
    if found_hash != head_hash:
        raise StoreFormatError(
            f"record: expected the checksum {head_hash:016x} of header and head, "
            f"found {found_hash:016x}"
        )
    if codec not in Codec._value2member_map_ or orientation > 8 or flags & ~_FLAG_GRAY or zero:
        raise StoreFormatError(
            "record: expected codec 1..4, orientation 0..8, flags 0..1 and zero padding, "
            f"found {codec}, {orientation}, {flags} and {zero}"
        )
    body = view[body_start:]
    if verify_body:
        found_hash = _core.xxh3_64(body)
        if found_hash != body_hash:
            raise StoreFormatError(
                f"record: expected the checksum {body_hash:016x} of the body, "
                f"found {found_hash:016x}"
            )
    return Record(
        Codec(codec),
        orientation,
        flags == _FLAG_GRAY,
        index,
        height,
        width,
        source_size,
        head,
        body,
    )


def renumber_record(data: Buffer, index: int) -> bytes:
    """A record that ``decode_record`` has read, under another sample index.

    The body's checksum stays what it was: damage is not made good.
    """
    return b"".join(renumbered_parts(data, index))


def stated_length(header: Buffer) -> int:
    """The length that a record's 64-byte header states; nothing of it is checked."""
    fields = _HEADER.unpack_from(header)
    return HEADER_BYTES + int(fields[8]) + int(fields[10])


def pack_restore_block(source_header: Buffer, source_trailer: Buffer) -> bytes:
    """What, after the entropy data, restores a tiled JPEG's own file: its header and trailer."""
    deflater = zlib.compressobj(9, zdict=restore_dictionary())
    sizes = _RESTORE.pack(len(source_header), len(source_trailer))
    return b"".join(
        (
            sizes,
            deflater.compress(source_header),
            deflater.compress(source_trailer),
            deflater.flush(),
        )
    )


def unpack_restore_block(body: Buffer, entropy_size: int) -> tuple[bytes, bytes]:
    """``(source_header, source_trailer)`` from the body of a record of codec tiles.

    Args:
        body: entropy data and restore block.
        entropy_size: bytes of entropy data; the block follows.

    Raises:
        StoreFormatError: the block is damaged, or claims more than it can hold.
    """
    block = memoryview(body)[entropy_size:]
    if entropy_size < 0 or len(block) < _RESTORE.size:
        raise StoreFormatError(
            f"restore block: expected 8 bytes or more after {entropy_size} bytes of entropy data, "
            f"found {len(block)}"
        )
    header_bytes, trailer_bytes = _RESTORE.unpack_from(block)
    packed = block[_RESTORE.size :]
    total_bytes = header_bytes + trailer_bytes
    if total_bytes > _MAX_DEFLATE_RATIO * len(packed):
        raise StoreFormatError(
            f"restore block: {len(packed)} compressed bytes cannot hold the {total_bytes} claimed"
        )
    inflater = zlib.decompressobj(zdict=restore_dictionary())
    try:
        # One byte more than claimed, so that a longer stream shows and cannot fill the memory.
        plain = inflater.decompress(packed, total_bytes + 1)
    except zlib.error as error:
        raise StoreFormatError(f"restore block: damaged compressed data ({error})") from error
    if len(plain) != total_bytes or not inflater.eof or inflater.unused_data:
        raise StoreFormatError(
            f"restore block: expected {total_bytes} bytes of header and trailer, "
            f"found {len(plain)}{'' if inflater.eof else ' or more'}"
        )
    return plain[:header_bytes], plain[header_bytes:]


def source_bytes(record: Record) -> bytes:
    """The original file's bytes.

    Raises:
        StoreFormatError: the record is raw (its source is gone), or does not restore to as many
            bytes as its header says.
        DecodeError: the tiles of a damaged record cannot be read.
    """
    if record.codec is Codec.RAW:
        raise StoreFormatError(
            f"record {record.index}: raw pixels only; the original file's bytes were not kept"
        )
    if record.codec is Codec.TILES:
        if len(record.head) < _ENTROPY_SIZE_OFFSET + _ENTROPY_SIZE.size:
            raise StoreFormatError(
                f"record {record.index}: expected a head of 16 bytes or more, "
                f"found {len(record.head)}"
            )
        (entropy_size,) = _ENTROPY_SIZE.unpack_from(record.head, _ENTROPY_SIZE_OFFSET)
        header, trailer = unpack_restore_block(record.body, entropy_size)
        entropy = memoryview(record.body)[:entropy_size]
        restored = _core.untile_jpeg(record.head, entropy, header, trailer)
    else:
        restored = bytes(record.body)
    if len(restored) != record.source_size:
        raise StoreFormatError(
            f"record {record.index}: expected an original file of {record.source_size} bytes, "
            f"found {len(restored)}"
        )
    return restored
