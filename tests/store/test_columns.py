"""Column blobs: the bytes that docs/format.md specifies, and nothing else."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastload import _core
from fastload.errors import StoreFormatError
from fastload.store.columns import PREFIX_BYTES, ColumnPrefix, encode_column, parse_prefix

PAGE = 4096
DTYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8")


def test_the_bytes_are_as_specified() -> None:
    values = np.arange(6, dtype=np.uint16).reshape(3, 2)
    blob = encode_column("boxes", values, PAGE)
    data = struct.pack("<6H", 0, 1, 2, 3, 4, 5)
    prefix = struct.pack("<4s4BQ2I2Q", b"FLCO", 1, 3, 1, 0, 3, 2, 0, 12, _core.xxh3_64(data))
    checksum = struct.pack("<Q", _core.xxh3_64(b"boxes" + prefix))
    assert bytes(blob) == (prefix + checksum + data).ljust(PAGE - 16, b"\0")


@given(st.sampled_from(DTYPES), st.integers(0, 5), st.lists(st.integers(1, 3), max_size=2))
def test_a_column_comes_back(dtype: str, rows: int, axes: list[int]) -> None:
    shape = (rows, *axes)
    values = np.arange(np.prod(shape)).reshape(shape).astype(f"<{dtype}")
    blob = bytes(encode_column("x", values, PAGE))
    prefix = parse_prefix("x", blob, len(blob))
    assert prefix == ColumnPrefix(
        values.dtype, shape, values.nbytes, _core.xxh3_64(values.tobytes())
    )
    found = np.frombuffer(blob, prefix.dtype, values.size, PREFIX_BYTES).reshape(prefix.shape)
    assert np.array_equal(found, values)


def test_big_endian_and_strided_arrays_are_stored_alike() -> None:
    values = np.arange(20, dtype=np.int32)
    expected = encode_column("x", values[::2].copy(), PAGE)
    assert encode_column("x", values[::2], PAGE) == expected
    assert encode_column("x", values[::2].astype(">i4"), PAGE) == expected


def test_every_flipped_bit_of_the_prefix_is_noticed() -> None:
    blob = encode_column("x", np.arange(5), PAGE)
    for position in range(8 * PREFIX_BYTES):
        damaged = bytearray(blob)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(StoreFormatError, match="column x"):
            parse_prefix("x", bytes(damaged), len(damaged))


def test_another_columns_blob_is_noticed() -> None:
    blob = bytes(encode_column("height", np.arange(5), PAGE))
    with pytest.raises(StoreFormatError, match="column width: expected the prefix's checksum"):
        parse_prefix("width", blob, len(blob))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((2, 3, 1, 0, 3, 2, 0, 12), "version 1, found 2"),
        ((1, 0, 1, 0, 3, 2, 0, 12), "unknown type 0"),
        ((1, 12, 1, 0, 3, 2, 0, 12), "unknown type 12"),
        ((1, 3, 3, 0, 3, 2, 0, 12), "with 3 axes"),
        ((1, 3, 1, 1, 3, 2, 0, 12), "unknown type"),
        ((1, 3, 1, 0, 4, 2, 0, 12), "expected 16 bytes for 4 rows"),
        ((1, 3, 1, 0, 3, 2, 0, 13), "found 13"),
        ((1, 3, 2, 0, 2**60, 2**32 - 1, 2**32 - 1, 12), "rows"),
        ((1, 3, 1, 0, 3000, 2, 0, 12000), "found 12000 in a value of 4080"),
    ],
)
def test_values_that_cannot_be_are_refused_under_a_right_checksum(
    fields: tuple[int, ...], message: str
) -> None:
    prefix = struct.pack("<4s4BQ2I2Q", b"FLCO", *fields, 0)
    blob = prefix + struct.pack("<Q", _core.xxh3_64(b"x" + prefix)) + bytes(PAGE - 64)
    with pytest.raises(StoreFormatError, match=message):
        parse_prefix("x", blob, len(blob))
