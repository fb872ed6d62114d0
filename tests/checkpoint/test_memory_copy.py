"""Copying memory: every byte, whatever the pieces and threads."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastload.checkpoint.memory_copy import PIECE_BYTES, SMALL_BYTES, MemoryCopier


@pytest.mark.parametrize("threads", [1, 2, 9])
def test_all_bytes_are_copied(threads: int):
    """Large pieces are divided; small ones and empty ones are not lost."""
    source = random.Random(threads)
    sizes = [0, 1, 63, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES - 1, SMALL_BYTES]
    sizes += [source.randrange(100_000) for _ in range(50)]
    source.shuffle(sizes)
    total = sum(sizes)
    original = np.frombuffer(source.randbytes(total), np.uint8)
    copied = np.zeros(total, np.uint8)
    pieces, offset = [], 0
    for size in sizes:
        pieces.append((copied.ctypes.data + offset, original.ctypes.data + offset, size))
        offset += size
    copier = MemoryCopier()
    for _ in range(3):
        copied[:] = 0
        copier.copy(pieces, total, threads)
        assert np.array_equal(copied, original)
    copier.close()
