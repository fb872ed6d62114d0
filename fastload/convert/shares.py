"""Shares: which photos of a source go into which shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fastload.convert.findings import Finding
from fastload.convert.sources import Source, SourceItem
from fastload.convert.sources.wrapped import WrappedSource
from fastload.store import AnnotationHeader

__all__ = ["Sharding", "Share", "ShareSource", "plan_shares"]

#: Above every number of a photo.
_NO_END = 1 << 62


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
    """The photos of one shard: ``first``, ``first + step``, ... below ``end``, as listed.

    Attributes:
        number: of the shard, from 0.
        count: of shards.
        photos: about how many; for progress.
    """

    number: int
    count: int
    first: int
    end: int
    step: int
    photos: int

    @property
    def name(self) -> str:
        """The shard's file."""
        return f"shard-{self.number:05}.lmdb"

    def __str__(self) -> str:
        """What a half-packed shard must have been begun with, too."""
        end = "" if self.end == _NO_END else self.end
        return f"{self.number} of {self.count}, photos {self.first}:{end}:{self.step}"

    def holds(self, photo: int) -> bool:
        """Whether the photo of that place in the source's order is among them."""
        return self.first <= photo < self.end and (photo - self.first) % self.step == 0


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
            Share(n, count, n, _NO_END, count, (total - n + count - 1) // count)
            for n in range(count)
        )
    if starts is None:
        starts = [n * total // count for n in range(count)]
    ends = [*starts[1:], total]
    shares = [
        Share(n, count, start, end, 1, end - start)
        for n, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
    shares[-1] = replace(shares[-1], end=_NO_END)
    return tuple(shares)


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
    """

    share: Share

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

    def items(self) -> Iterator[SourceItem | Finding]:
        """The share's photos in order."""
        photo = 0
        for item in self.source.items():
            if isinstance(item, Finding):
                if self.share.number == 0:
                    yield item
                continue
            if self.share.holds(photo):
                yield item
            photo += 1

    def select(self, split: int) -> ShareSource:
        """The share of one split's photos."""
        return replace(self, source=self.source.select(split))
