"""Records that lie under fitting checksums: a clear error, never a crash or foreign memory."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from fastload import jpeg, pixels
from fastload.errors import DecodeError
from fastload.records import Codec, Record, decode_record, encode_record
from support.fuzz import try_record
from support.pictures import picture
from support.records import jpeg_record, tile_record
from support.samples import by_name, save

DATA = save(picture(50, 140), quality=85)


def sound() -> Record:
    """A sound record of codec tiles."""
    return decode_record(tile_record(DATA))


@pytest.mark.parametrize("at", range(64))
def test_every_flipped_byte_of_the_header_is_noticed(at: int) -> None:
    """The body's hash is looked at by the store, once; everything else at every read."""
    for record in (tile_record(DATA), jpeg_record(DATA)):
        changed = bytearray(record)
        changed[at] ^= 0x21
        with pytest.raises(DecodeError):
            pixels.decode(bytes(changed), (0, 0, 4, 4))


def test_every_flipped_byte_of_the_head_is_noticed() -> None:
    record = tile_record(DATA)
    for at in range(64, 64 + len(sound().head)):
        changed = bytearray(record)
        changed[at] ^= 0x04
        with pytest.raises(DecodeError):
            pixels.decode(bytes(changed), (0, 0, 4, 4))


@pytest.mark.parametrize("change", [
    {"height": 0}, {"width": 0}, {"height": 70}, {"width": 2**32 - 1, "height": 2**32 - 1},
    {"height": 50_000}, {"width": 141_000}, {"head": b""}, {"body": b""},
])  # fmt: skip
@pytest.mark.parametrize("codec", [Codec.TILES, Codec.JPEG, Codec.RAW])
def test_sizes_that_do_not_fit_are_refused(codec: Codec, change: dict[str, object]) -> None:
    if codec is Codec.TILES:
        record = sound()
    elif codec is Codec.JPEG:
        record = decode_record(jpeg_record(DATA))
    else:
        record = replace(sound(), codec=codec, head=b"", body=bytes(50 * 140 * 3))
    lying = encode_record(replace(record, **change))  # type: ignore[arg-type]
    if codec is not Codec.TILES and change == {"head": b""}:
        return  # that is what those codecs have
    with pytest.raises((DecodeError, ValueError)):
        pixels.decode(lying, (0, 0, min(8, record.height), 8))


@pytest.mark.parametrize("size", [0, 1, 4, 63, 64, 65, 100, 700])
def test_a_record_cut_short_is_refused(size: int) -> None:
    with pytest.raises(DecodeError):
        pixels.decode(tile_record(DATA)[:size], (0, 0, 4, 4))


def test_bytes_behind_a_record_are_refused() -> None:
    with pytest.raises(DecodeError):
        pixels.decode(tile_record(DATA) + b"\0", (0, 0, 4, 4))


@pytest.mark.parametrize("codec", [Codec.TILES, Codec.JPEG, Codec.RAW])
def test_the_other_codecs_body_under_a_codecs_name_is_refused_or_decodes(codec: Codec) -> None:
    generator = np.random.Generator(np.random.PCG64(1))
    for body in (b"", b"\0" * 9, DATA, bytes(21_000)):
        for head in (b"", sound().head, b"\xff" * 300):
            try_record(
                encode_record(replace(sound(), codec=codec, head=head, body=body)), generator
            )


def test_every_byte_of_a_small_tile_head_may_be_anything() -> None:
    """All 256 values in turn, under fitting checksums: no crash, and no other error."""
    record = decode_record(tile_record(save(picture(9, 64), mode="L", quality=50)))
    generator = np.random.Generator(np.random.PCG64(2))
    for at in range(len(record.head)):
        for value in range(0, 256, 5 if at > 40 else 1):
            head = bytearray(record.head)
            head[at] = value
            try_record(encode_record(replace(record, head=bytes(head))), generator)


def test_a_damaged_head_never_restores_by_accident() -> None:
    """untile() takes a head from a damaged store: an error or bytes, nothing else."""
    tiled = jpeg.tile(DATA)
    generator = np.random.Generator(np.random.PCG64(3))
    for _ in range(3000):
        parts = [bytearray(tiled.head), bytearray(tiled.entropy), bytearray(tiled.source_header)]
        part = parts[int(generator.integers(0, 3))]
        part[int(generator.integers(0, len(part)))] ^= 1 << int(generator.integers(0, 8))
        if generator.random() < 0.2:
            del part[int(generator.integers(0, len(part))) :]
        changed = replace(
            tiled, head=bytes(parts[0]), entropy=bytes(parts[1]), source_header=bytes(parts[2])
        )
        try:
            assert isinstance(jpeg.restore(changed), bytes)
        except DecodeError:
            continue


def test_rows_that_claim_each_others_tiles_stay_inside_the_body() -> None:
    """Row offsets that point anywhere, also behind the end, in steps of one."""
    record = sound()
    generator = np.random.Generator(np.random.PCG64(4))
    entropy_size = struct.unpack_from("<I", record.head, 12)[0]
    for wrong in (0, 1, entropy_size - 1, entropy_size, entropy_size + 1, 2**31, 2**32 - 1):
        for at in range(0, len(record.head) - 4, 2):
            head = bytearray(record.head)
            struct.pack_into("<I", head, at, wrong)
            try_record(encode_record(replace(record, head=bytes(head))), generator)


def test_gray_records_with_a_colour_flag_decode_the_same() -> None:
    gray = by_name("gray-2x2").data
    record = decode_record(jpeg_record(gray))
    lying = encode_record(replace(record, gray=False))
    assert np.array_equal(pixels.decode(lying), pixels.decode(jpeg_record(gray)))
