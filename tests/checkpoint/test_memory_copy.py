"""Copying memory: every byte, whatever the pieces and threads, and none beside them."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastload import _core

PIECE_BYTES = 4 << 20


@pytest.mark.parametrize("threads", [0, 1, 2, 9])
def test_all_bytes_are_copied(threads: int):
    """Large pieces are divided; small, odd, unaligned and empty ones are not lost."""
    source = random.Random(threads)
    sizes = [0, 1, 63, 4095, 4096, 4097, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 1]
    sizes += [source.randrange(100_000) for _ in range(50)]
    source.shuffle(sizes)
    total = sum(sizes) + len(sizes)
    original = np.frombuffer(source.randbytes(total), np.uint8)
    copied = np.zeros(total, np.uint8)
    expected = np.zeros(total, np.uint8)
    pieces, offset = [], 0
    for size in sizes:
        pieces.append((copied.ctypes.data + offset, original.ctypes.data + offset, size))
        expected[offset : offset + size] = original[offset : offset + size]
        offset += size + 1  # a byte between them, which stays as it is
    for _ in range(3):
        copied[:] = 0
        _core.copy_memory(np.array(pieces, np.uint64), threads)
        assert np.array_equal(copied, expected)


def test_pieces_of_another_form_are_refused():
    """Addresses are taken on trust, their number is not."""
    _core.copy_memory(np.empty((0, 3), np.uint64), 2)
    _core.copy_memory(np.array([0, 0, 0], np.uint64), 2)  # an empty tensor has no address
    with pytest.raises(ValueError, match=r"uint64 \[n, 3\]"):
        _core.copy_memory(np.zeros(4, np.uint64), 2)
