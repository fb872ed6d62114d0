"""Blocks: records that stand one behind the other in one value of the database ``records``.

Note [blocks]: LMDB gives a large value pages of its own and leaves half a page of them unused, a
tenth of a small photo. So records share a value, whose key is the index of the first. Where a
record stands inside its block follows from the column ``length``: the columns can be written, and
found anew, without a look at a record. Where that column is damaged, the records' headers tell.
Tested in tests/store/test_blocks.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fastload.records import HEADER_BYTES, Buffer, stated_length
from fastload.store.lmdb_file import Extent, LmdbFile
from fastload.store.lmdb_walk import IntegerExtents

__all__ = [
    "BLOCK_BYTES",
    "block_spans",
    "join_blocks",
    "record_lengths",
    "record_offsets",
    "records_per_block",
]

#: A block is closed before it becomes larger; a larger record is a block of its own. Half a page in
#: this is 0.2 %.
BLOCK_BYTES = 1 << 20


def join_blocks(records: Sequence[Sequence[Buffer]]) -> Iterator[tuple[int, bytes]]:
    """``(place of the first record, block)`` of the records of a commit, one block at a time.

    Records come in parts, so that they are copied once.
    """
    lengths = [sum(map(len, parts)) for parts in records]
    for first, end in block_spans(lengths):
        yield first, b"".join(chain.from_iterable(records[first:end]))


def block_spans(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, end) of each block of a commit's records of those lengths."""
    first = size = 0
    for place, length in enumerate(lengths):
        if size and size + length > BLOCK_BYTES:
            yield first, place
            first, size = place, 0
        size += length
    if size:
        yield first, len(lengths)


def records_per_block(file: LmdbFile, blocks: IntegerExtents, count: int) -> NDArray[np.uint64]:
    """How many records each block has, uint64 [blocks].

    Raises:
        StoreFormatError: the blocks cannot be those of records 0..count - 1.
    """
    firsts = np.concatenate((blocks.keys, np.array([count], np.uint64)))
    if firsts[0] != 0 or np.any(firsts[1:] <= firsts[:-1]):
        raise file.damaged(
            f"expected blocks that begin with record 0 and end with record {count - 1}, "
            f"found {len(blocks.keys)} others"
        )
    return firsts[1:] - firsts[:-1]


def record_offsets(
    file: LmdbFile, blocks: IntegerExtents, lengths: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Where records of those lengths stand in the file, uint64 [N].

    Raises:
        StoreFormatError: they do not fill the blocks exactly.
    """
    counts = records_per_block(file, blocks, len(lengths)).astype(np.int64)
    # Where each record would begin, and the last one end, were all blocks one behind the other.
    places = np.zeros(len(lengths) + 1, np.uint64)
    np.cumsum(lengths, out=places[1:])
    block_ends = places[np.cumsum(counts)]
    block_starts = places[blocks.keys.astype(np.int64)]
    if np.any(block_ends - block_starts != blocks.lengths):
        raise file.damaged("expected records that fill their blocks, found other lengths")
    offsets = np.repeat(blocks.offsets - block_starts, counts)
    offsets += places[:-1]
    return offsets


def record_lengths(file: LmdbFile, blocks: IntegerExtents, count: int) -> NDArray[np.uint64]:
    """The lengths that the records' headers state, uint64 [count]; one read a record.

    They always fill their blocks. A header that cannot be one takes the rest of its block for
    itself and leaves nothing to those behind it; all of them then fail when they are read, and no
    others do.

    Raises:
        StoreFormatError: the blocks cannot be those of so many records, or the file was cut short.
    """
    counts = records_per_block(file, blocks, count)
    lengths = np.zeros(count, np.uint64)
    for number, first in enumerate(blocks.keys.tolist()):
        offset, left = int(blocks.offsets[number]), int(blocks.lengths[number])
        last = first + int(counts[number]) - 1
        for index in range(first, last):
            if left < HEADER_BYTES:
                break
            length = stated_length(file.read(Extent(offset, HEADER_BYTES)))
            if length > left:
                break
            lengths[index] = length
            offset, left = offset + length, left - length
        else:
            index = last
        lengths[index] = left
    return lengths
