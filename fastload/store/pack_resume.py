"""Finds where an interrupted packing stopped, and that it may go on."""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from fastload.errors import StoreFormatError
from fastload.store.catalog import HEADER, META, PLAN, RECORDS, STATE
from fastload.store.header import unseal
from fastload.store.lmdb_file import LmdbFile
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
    """What a partial file holds, every page that LMDB will follow checked.

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
        return _read_progress(file, where)
    except StoreFormatError as error:
        raise StoreFormatError(
            f"{error}; this half-packed store cannot be continued: pack it anew with --restart"
        ) from error


def _is_blank(lock: LockedFile) -> bool:
    """Killed, or without power, before LMDB's first pages were there."""
    if lock.size_bytes() < _BLANK_BYTES:
        return True
    return not any(os.pread(lock.descriptor, _BLANK_BYTES, 0))


def _read_progress(file: LmdbFile, where: str) -> Progress | None:
    _check_free_list(file)
    trees = {name: file.tree(name) for name, _extent in file.items(file.main)}
    for name, tree in trees.items():
        if tree is not None and name != RECORDS:
            for _entry in file.items(tree):
                pass
    meta, records = trees.get(META), trees.get(RECORDS)
    entries = records.entries if records is not None else 0
    if meta is None or meta.entries == 0:
        if entries:
            raise file.damaged("records without a packing's state")
        return None
    plan_extent = file.get(meta, PLAN)
    state = read_state(file, where)
    if plan_extent is None or state is None:
        raise file.damaged("expected a packing's plan and state, found another LMDB file")
    plan = PackPlan.from_json(unseal(file.read(plan_extent), where), f"{where}, plan")
    if records is not None:
        keys = file.integer_extents(records)[0]
        if len(keys) != state.count or np.any(keys != np.arange(state.count, dtype=np.uint64)):
            raise file.damaged(f"expected records 0..{state.count - 1}, found {len(keys)} others")
    return Progress(plan, state, file.get(meta, HEADER) is not None)


def _check_free_list(file: LmdbFile) -> None:
    """Each entry is a count and as many page numbers; LMDB takes the count's word for it."""
    for _key, extent in file.items(file.free, integer_keys=True):
        words = np.frombuffer(file.read(extent)[: extent.length // 8 * 8], "<u8")
        pages = words[1:]
        if not len(words) or words[0] > len(pages) or np.any(pages[: words[0]] > file.last_page):
            raise file.damaged("the list of free pages is damaged")
