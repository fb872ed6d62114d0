"""Copying memory past the caches, with a few threads that nobody has to wait for.

torch copies each tensor with all its threads and waits for the slowest after each. Where other
processes need the cores, as loaders' workers do, that wait is a time slice: 300 MB in 800 tensors
took 24 ms on an idle machine of two cores and up to 2,400 ms on a busy one. In the core, threads
take the next piece when they are ready for it, and what helpers do not get to, the caller does.
"""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from fastload import _core

#: So many saturate the memory of most machines; and no more than half of the cores: one thread that
#: others keep from running while it has a piece holds up the save. On two cores, two are no faster.
MOST_THREADS = 4


def copy_pieces(pieces: NDArray[np.uint64], threads: int) -> None:
    """Copy all, without the GIL; they must be valid memory until this returns.

    Args:
        pieces: uint64 [n, 3], contiguous: target address, source address, bytes.
        threads: at most so many, the calling one included.
    """
    cores = len(os.sched_getaffinity(0))
    _core.copy_memory(pieces, min(threads, MOST_THREADS, cores // 2))
