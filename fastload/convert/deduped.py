"""``--dedupe``: a source without the photos that repeat others of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.budget import ByteBudget, decode_limit_bytes
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.ordered import ordered
from fastload.convert.perceptual import HASH_SIDE, load_perceptual_hash
from fastload.convert.photo import PhotoPacker
from fastload.convert.progress import Progress, Throttled
from fastload.convert.repeats import (
    FIRST,
    NearHashes,
    content_numbers,
    exact_repeats,
    near_repeats,
)
from fastload.convert.roles import most_held_out
from fastload.convert.sources import Source, SourceItem
from fastload.convert.sources.wrapped import WrappedSource
from fastload.convert.thumbnail import shrunk
from fastload.errors import SourceError
from fastload.records import Record, encode_record

__all__ = ["DedupedSource", "deduped"]

_HELD_BYTES = 256 << 20

Key = tuple[str, int]  # name and split


def deduped(
    source: Source, *, near: int | None, max_file_bytes: int, workers: int, progress: Progress
) -> DedupedSource:
    """The same source without the photos that repeat others of it.

    All splits are looked at together. Of photos with the same bytes one is kept: of the most
    held-out split, so that what leaks is left out of training and not of validation or test; there,
    the first. With ``near``, the same holds for photos that look alike.

    What is left out follows from the files alone, so that a packing that is gone on with leaves out
    the same. Only files whose sizes are equal are read for it; with ``near``, all are read and
    decoded. A file that cannot be packed neither is left out nor stands for another.

    Args:
        source: with all its splits.
        near: bits in which perceptual hashes may differ; None: only the same bytes count.
        max_file_bytes: larger files are not looked at.
        workers: threads.
        progress: shown how far it is.

    Raises:
        SourceError: the source changes meanwhile.
        MissingLibraryError: ``near`` without imagehash.
        PackError: more photos are near to each other than can be listed.
    """
    splits, sizes = _list(source)
    fingerprints = _Fingerprints(source, max_file_bytes, near is not None)
    wanted = np.ones(len(sizes), np.bool_) if near is not None else _shared(sizes)
    fingerprints.make(wanted, workers, progress)
    ranks = np.array([most_held_out(name) for name in source.split_names] or [0])
    held_out = np.where(splits >= 0, ranks[np.clip(splits, 0, len(ranks) - 1)], 0)
    order = np.lexsort((np.arange(len(splits)), -held_out))
    order = order[fingerprints.known[order]]
    contents = content_numbers(fingerprints.contents)
    originals, bits = exact_repeats(contents, order), np.full(len(sizes), -1, np.int64)
    if near is not None:
        rest = order[originals[order] == FIRST]
        hashes = NearHashes.of(fingerprints.hashes, fingerprints.hashed, near)
        found = near_repeats(hashes, rest)
        alike = found.originals != FIRST
        originals[alike], bits[alike] = found.originals[alike], found.bits[alike]
    return DedupedSource(source, _findings(source, originals, bits))


@dataclass(frozen=True)
class DedupedSource(WrappedSource):
    """A source without some of its photos.

    Attributes:
        left_out: by (name, split): what is said in the place of a photo.
    """

    left_out: Mapping[Key, Finding]

    @property
    def photo_count(self) -> int:
        """As far as is known; of one split, those left out of others count too."""
        return max(0, self.source.photo_count - len(self.left_out))

    def items(self) -> Iterator[SourceItem | Finding]:
        """The source's, with a note in the place of each photo that is left out."""
        for item in self.source.items():
            left_out = None
            if isinstance(item, SourceItem):
                left_out = self.left_out.get((item.name, item.split))
            yield item if left_out is None else left_out

    def select(self, split: int) -> Source:
        """One split; what was left out for another split's sake stays left out."""
        mine = {key: finding for key, finding in self.left_out.items() if key[1] == split}
        return DedupedSource(self.source.select(split), mine)


class _Fingerprints:
    """Hashes of a source's photos.

    Attributes:
        known: which have a content hash, bool [N].
        contents: the hashes, uint8 [N, 16].
        hashed: which have a perceptual hash, bool [N].
        hashes: these, uint64 [N].
    """

    def __init__(self, source: Source, max_file_bytes: int, perceptual: bool) -> None:
        self._source = source
        self._max_file_bytes = max_file_bytes
        self._budget = ByteBudget(_HELD_BYTES)
        self._perceptual_hash = load_perceptual_hash() if perceptual else None
        self._decoding = ByteBudget(decode_limit_bytes())
        self._packer = PhotoPacker(tile=False, decode_budget=self._decoding)

    def make(self, wanted: NDArray[np.bool_], workers: int, progress: Progress) -> None:
        """Hash the photos that are ``wanted``."""
        count, chosen = len(wanted), np.flatnonzero(wanted)
        self.known, self.hashed = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        self.contents, self.hashes = np.zeros((count, 16), np.uint8), np.zeros(count, np.uint64)
        progress.start("looking for duplicates", len(chosen))
        throttled = Throttled(progress)
        items = compress(_photos(self._source), wanted.tolist())
        window = 64 * workers
        results = ordered(self._one, items, workers=workers, window=window, cancel=self._cancel)
        done = 0
        for place, (_, found) in zip(chosen.tolist(), results, strict=False):
            done += 1
            throttled.advance(1, 0)
            if found is None:
                continue
            content, perceptual = found
            self.known[place], self.contents[place] = True, np.frombuffer(content, np.uint8)
            if perceptual is not None:
                self.hashed[place], self.hashes[place] = True, perceptual
        throttled.flush()
        if done < len(chosen):
            raise _changed(self._source)

    def _cancel(self) -> None:
        self._budget.cancel()
        self._decoding.cancel()

    def _one(self, _ticket: int, item: SourceItem) -> tuple[bytes, int | None] | None:
        held = 0

        def admit(size: int) -> None:
            nonlocal held
            self._budget.acquire(2 * size)
            held = 2 * size

        try:
            data = self._source.read(item, self._max_file_bytes, admit).data
            if self._perceptual_hash is None:
                return (_core.xxh3_128(data), None) if data else None
            photo = self._packer.pack(data)  # as packing will: what it refuses stands for nothing
            return photo.content_hash, self._perceptual(photo.record)
        except RefusedError:
            return None  # said when it is packed
        finally:
            self._budget.release(held)

    def _perceptual(self, record: Record) -> int | None:
        assert self._perceptual_hash is not None
        size = HASH_SIDE, HASH_SIDE
        try:
            small = shrunk(record, encode_record(record), size, filter="lanczos")
        except MemoryError:
            raise
        except Exception:  # Pillow raises whatever the bytes lead it to; only near ones are missed
            return None
        return self._perceptual_hash(small)


def _photos(source: Source) -> Iterator[SourceItem]:
    return (item for item in source.items() if isinstance(item, SourceItem))


def _list(source: Source) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The split and the size in bytes of each photo."""
    numbers = (number for item in _photos(source) for number in (item.split, source.stamp(item)[0]))
    table = np.fromiter(numbers, np.int64)
    return table[::2], table[1::2]


def _shared(sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which sizes occur more than once; 0 stands for those that are not known."""
    _, inverse, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    shared: NDArray[np.bool_] = (counts[inverse.reshape(-1)] > 1) | (sizes == 0)
    return shared


def _findings(
    source: Source, originals: NDArray[np.int64], bits: NDArray[np.int64]
) -> dict[Key, Finding]:
    repeated = np.flatnonzero(originals != FIRST)
    needed = set(repeated.tolist()) | set(originals[repeated].tolist())
    items = {place: item for place, item in enumerate(_photos(source)) if place in needed}
    if len(items) < len(needed):
        raise _changed(source)
    found = {}
    for place in repeated.tolist():
        item = items[place]
        finding = _finding(source, item, items[int(originals[place])], int(bits[place]))
        found[item.name, item.split] = finding
    return found


def _finding(source: Source, item: SourceItem, original: SourceItem, bits: int) -> Finding:
    kind = "duplicate" if item.split == original.split else "leak"
    where = original.name
    if item.split != original.split:
        where += f" in {source.split_names[original.split]}"
    says = f"the same bytes as {where}" if bits < 0 else f"{bits} of 64 bits apart from {where}"
    if item.class_id != original.class_id:
        names = [source.class_names[one.class_id] if one.class_id >= 0 else "none"
                 for one in (item, original)]  # fmt: skip
        says += f" (its class is {names[0]!a}, not {names[1]!a})"
    return Finding(
        item.name,
        Severity.NOTE,
        kind if bits < 0 else f"near-{kind}",
        f"{says}; left out, as --dedupe asks",
    )


def _changed(source: Source) -> SourceError:
    return SourceError(
        f"{source.root}: has fewer photos than when they were listed a moment ago; "
        "let nothing change it while it is packed"
    )
