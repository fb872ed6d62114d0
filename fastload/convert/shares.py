"""Shares: which photos of a source go into which shard."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from heapq import merge
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from fastload.convert.findings import Finding
from fastload.convert.sources import Source, SourceItem
from fastload.convert.sources.wrapped import WrappedSource
from fastload.errors import StoreError
from fastload.store import AnnotationHeader
from fastload.store.shards import ShardedStore

__all__ = [
    "Item",
    "Sharding",
    "Share",
    "ShareSource",
    "listed_shares",
    "photos_in_turn",
    "plan_as_before",
    "plan_shares",
]

#: Above every number of a photo.
_NO_END = 1 << 62
#: Photos whose items are held at a time: some 200 MB.
_LISTED_PHOTOS = 1 << 20

Item = SourceItem | Finding


@dataclass(frozen=True, slots=True)
class Sharding:
    """How a data set is divided.

    Attributes:
        shards: how many; 0: as ``shard_bytes`` says.
        shard_bytes: about how many bytes of the source go into each.
        deal: photos go to the shards in turn, so that each has its share of every class; else each
            has those that follow each other.
    """

    shards: int = 0
    shard_bytes: int = 0
    deal: bool = False

    def __post_init__(self) -> None:
        if (self.shards > 0) == (self.shard_bytes > 0):
            raise ValueError(
                "expected a number of shards, or bytes a shard, above 0; "
                f"found {self.shards} and {self.shard_bytes}"
            )


@dataclass(frozen=True, slots=True)
class Share:
    """The photos of one shard.

    Attributes:
        number: of the shard, from 0.
        count: of shards.
        places: of its photos in the source's order, ascending; the last of a source's shares may
            go on for ever.
        photos: about how many; for progress.
        before: with ``update``: the number of the earlier shard that may be the same.
    """

    number: int
    count: int
    places: range | tuple[int, ...]
    photos: int
    before: int

    def __str__(self) -> str:
        """What a half-packed shard must have been begun with, too."""
        places, beginning = self.places, f"{self.number} of {self.count}"
        if isinstance(places, tuple):
            return f"{beginning}, as divided before"
        end = "" if places.stop == _NO_END else places.stop
        return f"{beginning}, photos {places.start}:{end}:{places.step}"


def plan_shares(source: Source, sharding: Sharding) -> tuple[Share, ...]:
    """The shares of a source; the same each time, as long as that stays what it was.

    With ``shard_bytes``, the size of every photo is asked for.
    """
    total = source.photo_count
    starts = None
    count = sharding.shards
    if not count:
        starts, count = _starts_by_size(source, sharding.shard_bytes)
    count = max(1, min(count, total))
    if sharding.deal:
        return tuple(
            Share(n, count, range(n, _NO_END, count), (total - n + count - 1) // count, n)
            for n in range(count)
        )
    if starts is None:
        starts = [n * total // count for n in range(count)]
    ends = [*starts[1:], total]
    shares = [
        Share(n, count, range(start, end), end - start, n)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    shares[-1] = replace(shares[-1], places=range(starts[-1], _NO_END))
    return tuple(shares)


def plan_as_before(source: Source, store: ShardedStore) -> tuple[Share, ...]:
    """The shares of a source by the shards that its photos are in already.

    What is new goes where the photo before it is; or, where photos were dealt to the shards, to
    the shard that has the fewest. So a shard in which nothing has changed stays as it is. Shards
    that have lost all their photos are left out.
    """
    parts = store.column("shard")
    numbers = _numbers_before(source, store, parts)
    known, count = numbers >= 0, len(store.manifest.shards)
    turns = int(np.count_nonzero(parts[1:] < parts[:-1]))
    if 2 * turns * count > len(parts):  # dealt
        held = np.bincount(numbers[known], minlength=count)
        for photo in np.flatnonzero(~known).tolist():
            numbers[photo] = shard = int(held.argmin())
            held[shard] += 1
    elif known.any():
        last = np.maximum.accumulate(np.where(known, np.arange(len(numbers)), known.argmax()))
        numbers = numbers[last]
    else:
        numbers[:] = 0
    used = np.unique(numbers).tolist()
    shares = []
    for number, before in enumerate(used):
        places = tuple(np.flatnonzero(numbers == before).tolist())
        shares.append(Share(number, len(used), places, len(places), before))
    return tuple(shares) or plan_shares(source, Sharding(shards=1))


def _numbers_before(
    source: Source, store: ShardedStore, parts: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """The earlier shard of each photo of a source, int64 [N]; -1 of those that are new."""
    problems: dict[str, int] = {}
    for number in range(len(store.manifest.shards)):
        with suppress(StoreError, OSError):  # a shard that is not there is made anew
            problems |= {problem.path: number for problem in store.shard(number).problems}

    def number_of(name: str) -> int:
        found = store.names.find(name)
        return problems.get(name, -1) if found is None else int(parts[found])

    items = (item for item in source.items() if isinstance(item, SourceItem))
    return np.fromiter((number_of(item.name) for item in items), np.int64)


def photos_in_turn(source: Source, shares: Sequence[Share]) -> Iterator[tuple[str, int]]:
    """The name of each photo of a source, in order, and the number of the share that has it."""
    items = (item for item in source.items() if isinstance(item, SourceItem))
    for item, (_place, number) in zip(items, _owners(shares), strict=False):
        yield item.name, number


def listed_shares(source: Source, shares: Sequence[Share]) -> Iterator[tuple[Share, list[Item]]]:
    """Each share and what a ``ShareSource`` of it yields, for few listings of the source."""
    batch: list[Share] = []
    held = 0
    for share in shares:
        if batch and held + share.photos > _LISTED_PHOTOS:
            yield from _listed(source, batch)
            batch, held = [], 0
        batch.append(share)
        held += share.photos
    yield from _listed(source, batch)


def _listed(source: Source, shares: Sequence[Share]) -> Iterator[tuple[Share, list[Item]]]:
    held: dict[int, list[Item]] = {share.number: [] for share in shares}
    owners, photo = _owners(shares), 0
    place, number = next(owners, (_NO_END, 0))
    for item in source.items():
        if isinstance(item, Finding):
            if 0 in held:
                held[0].append(item)
            continue
        if photo == place:
            held[number].append(item)
            place, number = next(owners, (_NO_END, 0))
        photo += 1
    for share in shares:
        yield share, held.pop(share.number)


def _owners(shares: Sequence[Share]) -> Iterator[tuple[int, int]]:
    """The places of all shares' photos, ascending, and the number of the share of each."""
    return merge(*(zip(share.places, repeat(share.number)) for share in shares))


def _starts_by_size(source: Source, shard_bytes: int) -> tuple[list[int], int]:
    starts, held = [0], 0
    photos = (item for item in source.items() if isinstance(item, SourceItem))
    for number, item in enumerate(photos):
        size = source.stamp(item)[0]
        if held and held + size > shard_bytes:
            starts.append(number)
            held = 0
        held += size
    return starts, len(starts)


@dataclass(frozen=True)
class ShareSource(WrappedSource):
    """One share of a source; the first has all findings, too.

    Attached files are not in shards.

    Attributes:
        share: which photos.
        listed: what ``items`` yields, where that is known.
    """

    share: Share
    listed: Sequence[Item] | None = None

    @property
    def files(self) -> bytes:
        """None."""
        return b""

    @property
    def photo_count(self) -> int:
        """About how many photos the share has."""
        return self.share.photos

    @property
    def annotations(self) -> AnnotationHeader | None:
        """What the labels are, without the attached files."""
        annotations = self.source.annotations
        return None if annotations is None else replace(annotations, files=())

    def items(self) -> Iterator[Item]:
        """The share's photos in order."""
        if self.listed is None:
            ((_, listed),) = _listed(self.source, [self.share])
            return iter(listed)
        return iter(self.listed)

    def select(self, split: int) -> ShareSource:
        """The share of one split's photos."""
        return replace(self, source=self.source.select(split), listed=None)
