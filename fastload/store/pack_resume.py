"""Finds where an interrupted packing stopped, and that it may go on."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from fastload.errors import StoreFormatError
from fastload.store.blocks import records_per_block
from fastload.store.catalog import HEADER, META, PLAN, RECORDS, STATE
from fastload.store.header import unseal
from fastload.store.lmdb_file import LmdbFile
from fastload.store.lmdb_page import PAGE_HEADER_BYTES
from fastload.store.lmdb_walk import IntegerExtents, integer_extents, items
from fastload.store.pack_state import PackPlan, PackState
from fastload.store.partial import LockedFile

__all__ = ["Progress", "read_progress", "read_state"]

_BLANK_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Progress:
    """A partial file's plan and state.

    Attributes:
        plan: what it was begun with.
        state: as of the last commit.
        is_complete: the header is written; only the renaming is left.
    """

    plan: PackPlan
    state: PackState
    is_complete: bool = False


def read_state(file: LmdbFile, where: str) -> PackState | None:
    """The state as of the last commit; None where there is none."""
    meta = file.tree(META)
    extent = file.get(meta, STATE) if meta is not None else None
    if extent is None:
        return None
    return PackState.from_json(unseal(file.read(extent), where), f"{where}, state")


def read_progress(lock: LockedFile) -> Progress | None:
    """What a partial file holds, every page that liblmdb will follow checked.

    Returns:
        None where nothing was committed yet.

    Raises:
        StoreFormatError: the file is damaged, or no store's.
    """
    where = str(lock.path)
    if _is_blank(lock):
        return None
    try:
        file = LmdbFile(lock.descriptor, where, cut_at_end=True)
        return _read_progress(file, where, _PageCheck(file).run())
    except StoreFormatError as error:
        raise StoreFormatError(
            f"{error}; this half-packed store cannot be continued: pack it anew with --restart"
        ) from error


def _is_blank(lock: LockedFile) -> bool:
    """Killed, or without power, before LMDB's first pages were there."""
    if lock.size_bytes() < _BLANK_BYTES:
        return True
    return not any(os.pread(lock.descriptor, _BLANK_BYTES, 0))


def _read_progress(file: LmdbFile, where: str, blocks: IntegerExtents | None) -> Progress | None:
    meta = file.tree(META)
    if meta is None or meta.entries == 0:
        if blocks is not None and len(blocks.keys):
            raise file.damaged("records without a packing's state")
        return None
    plan_extent = file.get(meta, PLAN)
    state = read_state(file, where)
    if plan_extent is None or state is None:
        raise file.damaged("expected a packing's plan and state, found another LMDB file")
    plan = PackPlan.from_json(unseal(file.read(plan_extent), where), f"{where}, plan")
    if blocks is None:
        raise file.damaged("no database of records")
    records_per_block(file, blocks, state.count)
    return Progress(plan, state, file.get(meta, HEADER) is not None)


class _PageCheck:
    """Walks all trees and the free list; no page may be used twice, or used and free.

    liblmdb will write into the pages of the free list, and takes every number in it on trust.
    """

    def __init__(self, file: LmdbFile) -> None:
        self._file = file
        self._uses = np.zeros(file.last_page + 2, np.int8)

    def run(self) -> IntegerExtents | None:
        """Where the blocks of records stand; None where there is no database of them."""
        file = self._file
        for _key, extent in items(file, file.free, integer_keys=True, visit=self._use):
            self._use_free(file.read(extent))
        names = [name for name, _extent in items(file, file.main, visit=self._use)]
        blocks = None
        for name in names:
            tree = file.tree(name)
            if tree is None:
                continue
            if name == RECORDS:
                blocks = integer_extents(file, tree, visit=self._use)
                self._use_blocks(blocks)
            else:
                for _entry in items(file, tree, visit=self._use):
                    pass
        if np.any(self._uses > 1):
            raise file.damaged(f"page {int(np.argmax(self._uses > 1))} is used twice")
        return blocks

    def _use(self, first: int, count: int) -> None:
        self._uses[first : first + count] += self._uses[first : first + count] < 2

    def _use_free(self, value: bytes) -> None:
        """An entry of the free list: a count, and as many page numbers."""
        words = np.frombuffer(value[: len(value) // 8 * 8], "<u8")
        if not len(words) or words[0] > len(words) - 1:
            raise self._file.damaged("the list of free pages is damaged")
        pages = words[1 : 1 + int(words[0])]
        if np.any((pages < 2) | (pages > self._file.last_page)):
            raise self._file.damaged("the list of free pages names one that is not there")
        if np.any(np.diff(np.sort(pages)) == 0):
            raise self._file.damaged("the list of free pages names one twice")
        self._uses[pages] += self._uses[pages] < 2

    def _use_blocks(self, blocks: IntegerExtents) -> None:
        _keys, offsets, lengths = blocks
        page_bytes, header_bytes = np.uint64(self._file.page_bytes), np.uint64(PAGE_HEADER_BYTES)
        # No value inside a leaf begins so early: an entry has its own header and key before it.
        big = offsets % page_bytes == header_bytes
        first = (offsets[big] // page_bytes).astype(np.int64)
        last = ((offsets[big] + lengths[big] - np.uint64(1)) // page_bytes).astype(np.int64)
        # +1 where a run begins, -1 behind its end: the sums are the uses of each page.
        steps = np.bincount(first, minlength=len(self._uses) + 1)
        steps -= np.bincount(last + 1, minlength=len(self._uses) + 1)
        uses = np.cumsum(steps)[: len(self._uses)] + self._uses
        self._uses = np.minimum(uses, 2).astype(np.int8)
