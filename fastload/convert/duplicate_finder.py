"""``duplicates``: photos that stand twice in stores, and those that leak between splits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastload.convert.duplicate_report import DuplicateReport
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.near_pairs import MOST_DISTANCE
from fastload.convert.ordered import available_cores
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress, Silent
from fastload.convert.repeats import FIRST, NearHashes, exact_repeats, near_matches, near_repeats
from fastload.convert.store_photos import PhotoHashes, StorePhotos
from fastload.store import Store

__all__ = ["duplicates"]

OnFinding = Callable[[Finding], None]


def duplicates(
    *stores: str | os.PathLike[str],
    near: int | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    on_finding: OnFinding | None = None,
) -> DuplicateReport:
    """Find photos that repeat others, in one store or over several.

    Exact duplicates have the same bytes; they are found by the hashes that the stores keep, and no
    photo is read. Near-duplicates have perceptual hashes (imagehash's DCT hash, of the upright
    picture) that differ in few bits; for these every photo is decoded.

    A photo that repeats one of its own split is a duplicate; a photo of a split to be measured by
    that repeats one of another split is a leak. A store without splits counts as one, named as
    ``pack(split_stores=True)`` noted it, or else as its file; "train2017" counts as "train".

    Args:
        *stores: the stores' files.
        near: also find near-duplicates, with at most so many of 64 bits apart: 0 to 15.
        workers: threads; 0: as many as there are cores.
        progress: shown how far it is.
        on_finding: called with each duplicate and leak; it names what is repeated.

    Raises:
        StoreFormatError: not a store, or a damaged one.
        MissingLibraryError: near-duplicates are asked for, and imagehash is not installed.
        PackError: more photos are near to each other than can be listed.
        ValueError: no store, or ``near`` out of range.
    """
    if not stores:
        raise ValueError("stores: expected one or more")
    if near is not None and not 0 <= near <= MOST_DISTANCE:
        raise ValueError(f"near: expected 0 to {MOST_DISTANCE} bits, found {near}")
    started = time.monotonic()
    with ExitStack() as stack:
        photos = StorePhotos([stack.enter_context(Store(store)) for store in stores])
        search = _Search(photos, on_finding)
        search.exact()
        if near is not None:
            hashes = PhotoHashes(photos, search.note)
            stack.enter_context(quiet_pillow())
            search.near(hashes.make(workers or available_cores(), progress or Silent()), near)
        return DuplicateReport(
            stores=tuple(str(store.path) for store in photos.stores),
            photos=len(photos),
            near=near,
            exact_duplicates=search.counts["duplicate"],
            near_duplicates=search.counts["near-duplicate"],
            exact_leaks=search.leaks["leak"],
            near_leaks=search.leaks["near-leak"],
            unhashed=search.unhashed,
            tally=search.tally,
            seconds=time.monotonic() - started,
        )


@dataclass
class _Search:
    """Finds repeated photos, and tells of each."""

    photos: StorePhotos
    on_finding: OnFinding | None
    tally: Tally = field(default_factory=Tally)
    counts: dict[str, int] = field(default_factory=lambda: {"duplicate": 0, "near-duplicate": 0})
    leaks: dict[str, dict[tuple[str, str], int]] = field(
        default_factory=lambda: {"leak": {}, "near-leak": {}}
    )
    unhashed: int = 0

    def __post_init__(self) -> None:
        self.note = self.tally.listener(self.on_finding)
        self._repeated = np.zeros(len(self.photos), np.bool_)
        self._members = list(self.photos.role_members())
        self._leaked: dict[tuple[str, str], NDArray[np.int64]] = {}

    def exact(self) -> None:
        """Photos of the same bytes."""
        contents = self.photos.contents
        for _, members in self._members:
            originals = exact_repeats(contents, members)
            self._repeated |= originals != FIRST
            self._duplicates("duplicate", originals, None)
        for one, other, among, members in self._pairs():
            both = exact_repeats(contents, np.concatenate([among, members]))
            held_out = np.zeros(len(contents), np.bool_)
            held_out[members] = True
            originals = np.where(held_out, both, FIRST)
            # What repeats another of its own split only is no leak.
            inner = (originals != FIRST) & held_out[originals]
            originals[inner] = FIRST
            self._leaked[one, other] = np.flatnonzero(originals != FIRST)
            self._leak("leak", (one, other), originals, None)

    def near(self, hashes: tuple[NDArray[np.uint64], NDArray[np.bool_]], distance: int) -> None:
        """Photos whose hashes differ in at most ``distance`` bits, and whose bytes differ."""
        self.unhashed = int(np.count_nonzero(~hashes[1]))
        near = NearHashes.of(*hashes, distance)
        for _, members in self._members:
            found = near_repeats(near, members[~self._repeated[members]])
            self._duplicates("near-duplicate", found.originals, found.bits)
        for one, other, among, members in self._pairs():
            rest = np.setdiff1d(members, self._leaked[one, other])
            found = near_matches(near, rest, among)
            self._leak("near-leak", (one, other), found.originals, found.bits)

    def _pairs(self) -> Iterator[tuple[str, str, NDArray[np.int64], NDArray[np.int64]]]:
        for place, (other, members) in enumerate(self._members):
            for one, among in self._members[:place]:
                yield one, other, among, members

    def _duplicates(
        self, kind: str, originals: NDArray[np.int64], bits: NDArray[np.int64] | None
    ) -> None:
        repeated = np.flatnonzero(originals != FIRST)
        self.counts[kind] += len(repeated)
        for photo in repeated.tolist():
            detail = self._says(int(originals[photo]), None if bits is None else int(bits[photo]))
            self.note(Finding(self.photos.name(photo), Severity.NOTE, kind, detail))

    def _leak(
        self,
        kind: str,
        splits: tuple[str, str],
        originals: NDArray[np.int64],
        bits: NDArray[np.int64] | None,
    ) -> None:
        leaked = np.flatnonzero(originals != FIRST)
        if not len(leaked):
            return
        self.leaks[kind][splits] = len(leaked)
        for photo in leaked.tolist():
            says = self._says(int(originals[photo]), None if bits is None else int(bits[photo]))
            detail = f"stands in {splits[1]}; in {splits[0]} stands {says}"
            self.note(Finding(self.photos.name(photo), Severity.PROBLEM, kind, detail))

    def _says(self, original: int, bits: int | None) -> str:
        name = self.photos.name(original)
        return (
            f"{name}, with the same bytes" if bits is None else f"{name}, {bits} of 64 bits apart"
        )
