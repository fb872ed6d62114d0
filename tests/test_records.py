"""Records: bytes and back, and nothing else is taken for one."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fastload import _core, jpeg
from fastload.errors import StoreFormatError
from fastload.records import (
    HEADER_BYTES,
    Codec,
    Record,
    decode_record,
    encode_record,
    pack_restore_block,
    source_bytes,
    unpack_restore_block,
)
from fastload.restore_dictionary import restore_dictionary

RECORD = Record(Codec.JPEG, 6, True, 41, 480, 640, 5, b"", b"\xff\xd8abc")
TILES = replace(RECORD, codec=Codec.TILES, head=bytes(range(40)), body=b"entropy")

unsigned_32 = st.integers(0, 2**32 - 1)
unsigned_64 = st.integers(0, 2**64 - 1)
records = st.builds(
    Record,
    codec=st.sampled_from(Codec),
    orientation=st.integers(0, 8),
    gray=st.booleans(),
    index=unsigned_64,
    height=unsigned_32,
    width=unsigned_32,
    source_size=unsigned_64,
    head=st.binary(max_size=200),
    body=st.binary(max_size=200),
)


@given(records)
def test_a_record_comes_back(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


def test_the_bytes_are_as_specified() -> None:
    """docs/format.md, byte by byte."""
    head, body = TILES.head, TILES.body
    start = struct.pack("<4s4BQ4I", b"FLRC", 1, 1, 6, 1, 41, 480, 640, len(head), 0)
    start += struct.pack("<3Q", len(body), _core.xxh3_64(body), 5)
    expected = start + struct.pack("<Q", _core.xxh3_64(start + bytes(head))) + head + body
    assert encode_record(TILES) == expected


def test_the_index_can_be_set_while_encoding() -> None:
    assert decode_record(encode_record(RECORD, index=7)) == replace(RECORD, index=7)


def test_any_buffer_is_taken_and_views_are_given() -> None:
    data = encode_record(replace(TILES, head=memoryview(TILES.head), body=memoryview(TILES.body)))
    for buffer in (data, bytearray(data), memoryview(data)):
        found = decode_record(buffer)
        assert isinstance(found.head, memoryview)
        assert found == TILES


@pytest.mark.parametrize("record", [RECORD, TILES])
def test_every_flipped_bit_is_noticed(record: Record) -> None:
    data = encode_record(record)
    for position in range(8 * len(data)):
        damaged = bytearray(data)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(StoreFormatError):
            decode_record(damaged)


def test_the_body_is_not_compared_on_request() -> None:
    damaged = encode_record(RECORD)[:-1] + b"!"
    assert decode_record(damaged, verify_body=False).body == b"\xff\xd8ab!"
    with pytest.raises(StoreFormatError, match="checksum"):
        decode_record(damaged)


@pytest.mark.parametrize("record", [RECORD, TILES])
def test_every_other_length_is_noticed(record: Record) -> None:
    data = encode_record(record)
    for length in range(len(data)):
        with pytest.raises(StoreFormatError, match="expected"):
            decode_record(data[:length])
    with pytest.raises(StoreFormatError, match="expected"):
        decode_record(data + b"\0")


@pytest.mark.parametrize(
    ("position", "value", "message"),
    [(4, 2, "version 1, found 2"), (5, 0, "codec"), (5, 5, "codec"), (6, 9, "orientation"),
     (7, 2, "flags"), (28, 1, "padding")],
)  # fmt: skip
def test_values_of_no_meaning_are_refused_under_a_right_checksum(
    position: int, value: int, message: str
) -> None:
    data = bytearray(encode_record(RECORD))
    data[position] = value
    struct.pack_into("<Q", data, 56, _core.xxh3_64(bytes(data[:56])))
    with pytest.raises(StoreFormatError, match=message):
        decode_record(data)


@pytest.mark.parametrize(
    "changes",
    [{"orientation": 9}, {"orientation": -1}, {"height": 2**32}, {"width": -1}, {"index": 2**64},
     {"source_size": -1}, {"codec": 9}],
)  # fmt: skip
def test_fields_that_do_not_fit_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"expected|fit|valid"):
        encode_record(replace(RECORD, **changes))


@given(st.binary(max_size=300), st.binary(max_size=300), st.binary(max_size=50))
def test_a_restore_block_comes_back(header: bytes, trailer: bytes, entropy: bytes) -> None:
    body = entropy + pack_restore_block(header, trailer)
    assert unpack_restore_block(body, len(entropy)) == (header, trailer)


def test_a_restore_block_cannot_fill_the_memory() -> None:
    bomb = zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(StoreFormatError, match="expected 10 bytes"):
        unpack_restore_block(struct.pack("<II", 10, 0) + bomb, 0)
    with pytest.raises(StoreFormatError, match="cannot hold"):
        unpack_restore_block(struct.pack("<II", 2**32 - 1, 2**32 - 1) + bomb, 0)


def test_a_restore_block_is_a_zlib_stream_with_the_dictionary() -> None:
    """docs/format.md; an inflater without the dictionary cannot read it."""
    block = pack_restore_block(b"header", b"trailer")
    assert block[:8] == struct.pack("<II", 6, 7)
    inflater = zlib.decompressobj(zdict=restore_dictionary())
    assert inflater.decompress(block[8:]) == b"headertrailer"
    with pytest.raises(zlib.error, match="Error 2"):  # Z_NEED_DICT
        zlib.decompress(block[8:])


@pytest.mark.parametrize("quality", [75, 80, 85, 90, 92, 95, 96])
@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_headers_as_most_encoders_write_them_take_few_bytes(quality: int, subsampling: str) -> None:
    buffer = io.BytesIO()
    image = Image.new("RGB", (640, 480))
    image.save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    tiled = jpeg.tile(buffer.getvalue())
    assert len(tiled.source_header) > 600
    assert len(pack_restore_block(tiled.source_header, tiled.source_trailer)) < 50


def test_the_dictionary_is_the_one_of_the_format() -> None:
    """A byte of it changed, and no tiled photo could be restored."""
    dictionary = restore_dictionary()
    assert len(dictionary) == 1942
    assert zlib.adler32(dictionary) == 0xE168BFD9
    assert _core.xxh3_64(dictionary) == 0xA622821671CBC933


def test_damaged_restore_blocks_are_refused() -> None:
    block = pack_restore_block(b"header" * 50, b"trailer" * 50)
    for length in range(len(block)):
        with pytest.raises(StoreFormatError):
            unpack_restore_block(block[:length], 0)
    for position in range(8 * len(block)):
        damaged = bytearray(block)
        damaged[position // 8] ^= 1 << position % 8
        if position < 64 or position >= 80:  # zlib ignores some bits of its own header
            try:
                found = unpack_restore_block(damaged, 0)
            except StoreFormatError:
                continue
            assert b"".join(found) == b"header" * 50 + b"trailer" * 50
    with pytest.raises(StoreFormatError, match="after 1000 bytes"):
        unpack_restore_block(block, 1000)


@pytest.mark.parametrize("codec", [Codec.JPEG, Codec.OTHER])
def test_own_bytes_are_the_source(codec: Codec) -> None:
    assert source_bytes(replace(RECORD, codec=codec)) == b"\xff\xd8abc"


def test_a_source_of_another_size_is_refused() -> None:
    with pytest.raises(StoreFormatError, match="expected an original file of 6 bytes, found 5"):
        source_bytes(replace(RECORD, source_size=6))


def test_raw_pixels_have_no_source() -> None:
    with pytest.raises(StoreFormatError, match="not kept"):
        source_bytes(replace(RECORD, codec=Codec.RAW))


def test_a_tiles_head_too_short_for_its_entropy_size_is_refused() -> None:
    with pytest.raises(StoreFormatError, match="head of 16 bytes"):
        source_bytes(replace(TILES, head=bytes(15)))


def test_a_header_is_64_bytes() -> None:
    assert len(encode_record(replace(RECORD, body=b""))) == HEADER_BYTES == 64
