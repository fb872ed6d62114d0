"""Opening a data set of tars."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np

from fastload.convert.boundary import Boundary
from fastload.convert.counted import counted
from fastload.convert.files import FileBytes, read_part
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError, Labelled, PhotoSize
from fastload.convert.names import printable
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.container_state import container_state
from fastload.convert.sources.place import Place
from fastload.convert.sources.splits import SPLIT_NAMES
from fastload.convert.sources.webdataset.classes import MAX_CLASS_BYTES, class_of
from fastload.convert.sources.webdataset.index import NameTable, TarIndex
from fastload.convert.sources.webdataset.scan import MAX_KEPT_BYTES, Scan, class_member
from fastload.convert.sources.webdataset.shards import (
    COMPRESSED,
    is_pattern,
    list_shards,
    shard_walk,
)
from fastload.errors import SourceError
from fastload.store import NO_CLASS, NO_SPLIT, AnnotationHeader, LabelFile, SampleLabels, bundle

__all__ = ["open_webdataset", "probe_webdataset"]

LAYOUT = "webdataset"
#: What is kept of all samples together fits a column.
MAX_KEPT_BYTES_IN_ALL = 3 << 30
_PIECE = 4096
_READ_AT_ONCE_BYTES = 64 << 10
_ANNOTATIONS = AnnotationHeader(LAYOUT, objects=False, label_files=True)


def probe_webdataset(place: Place) -> bool:
    """Whether a tar or a pattern was named, or the folder has tars in it and no photos."""
    if place.file is not None:
        return place.file.lower().endswith((".tar", *COMPRESSED)) or is_pattern(place.file)
    return not place.walk.has_images("") and shard_walk(place).has_images("")


def open_webdataset(place: Place) -> WebDatasetSource:
    """All samples of all tars, in the order of the tars' names."""
    findings: dict[int, list[Finding]] = {NO_SPLIT: []}
    shards = list_shards(place, findings[NO_SPLIT])
    if not shards:
        said = [finding for finding in findings[NO_SPLIT] if finding.severity is Severity.PROBLEM]
        raise SourceError(
            f"{place.file or place.root}: expected tars, found none"
            + "".join(f"; {printable(finding.name)}: {finding.detail}" for finding in said[:3])
        )
    splits = sorted({shard.split for shard in shards} - {""}, key=SPLIT_NAMES.index)
    split_ids = [splits.index(shard.split) if shard.split else NO_SPLIT for shard in shards]

    def note(number: int, finding: Finding) -> None:
        findings.setdefault(split_ids[number], []).append(finding)

    scan = Scan(place.extensions, note)
    for number, shard in enumerate(shards):
        scan.read(number, shard, os.path.join(place.root, shard.name))
    classes = scan.classes.names_and_ids()
    if classes is None:
        findings[NO_SPLIT].append(
            Finding("", Severity.NOTE, "too-many-classes", "labels have too many values to be "
                    "classes; photos are packed without")
        )  # fmt: skip
        classes = (), np.full(len(scan.growing.shard), NO_CLASS, np.int32)
    index, shared = scan.growing.finish(shards, scan.stamps, classes[1])
    if shared:
        samples = counted(shared, "sample has", "samples have")
        findings[NO_SPLIT].append(
            Finding("", Severity.NOTE, "shared-keys", f"{samples} the key of one in another tar; "
                    "packed all the same, as names begin with the tar's")
        )  # fmt: skip
    unkept = _unkept(scan.bytes_by_ending)
    for ending, size in unkept.items():
        findings[NO_SPLIT].append(
            Finding(f".{ending}", Severity.IGNORED, "not-packed", f"{size:,} bytes of members with "
                    f"this ending: a store keeps {MAX_KEPT_BYTES_IN_ALL:,} in all beside photos")
        )  # fmt: skip
    return WebDatasetSource(
        place.boundary, index, classes[0], tuple(splits), tuple(split_ids), findings,
        frozenset(unkept),
    )  # fmt: skip


@dataclass(frozen=True)
class WebDatasetSource:
    """Implements ``Source`` for tars. Names are the tar's path, and behind it the path in it.

    Attributes:
        index: all samples.
        split_ids: of each tar, or NO_SPLIT.
        findings: by split id; said first.
        unkept: endings of members that are not kept, in lower case.
        only: the one split that is offered; None: all.
    """

    boundary: Boundary
    index: TarIndex
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    split_ids: Sequence[int]
    findings: dict[int, list[Finding]]
    unkept: frozenset[str] = frozenset()
    only: int | None = None

    layout: str = LAYOUT
    annotations: AnnotationHeader = _ANNOTATIONS
    files: bytes = b""
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)
    _table: Callable[[int], NameTable] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {shard.name: number for number, shard in enumerate(self.index.shards)}
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_table", lru_cache(maxsize=4)(self.index.find))

    @property
    def root(self) -> str:
        """The absolute source folder."""
        return self.boundary.root

    @property
    def photo_count(self) -> int:
        """Samples with a photo."""
        offered = self._offered()
        return int(np.count_nonzero(offered[self.index.shard] & ~self.index.repeated))

    @property
    def state(self) -> str:
        """A hash over the tars' names, sizes and times."""
        names = (shard.name for shard in self.index.shards)
        return container_state(zip(names, self.index.stamps, strict=True))

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in the tars' order, findings before them."""
        for split, findings in self.findings.items():
            if self.only is None or split == self.only or (split == NO_SPLIT and not self.only):
                yield from findings
        index, offered, has_classes = self.index, self._offered(), bool(self.class_names)
        for start in range(0, len(index), _PIECE):
            piece = slice(start, start + _PIECE)
            rows = zip(
                index.shard[piece].tolist(), index.class_ids[piece].tolist(),
                index.repeated[piece].tolist(), strict=True,
            )  # fmt: skip
            for sample, (shard, class_id, repeated) in enumerate(rows, start):
                if not offered[shard]:
                    continue
                name = index.name(sample, index.photo_of(sample))
                if repeated:
                    yield Finding(
                        name, Severity.PROBLEM, "duplicate-key",
                        "another sample of its tar has the same name; packed once, as there",
                    )  # fmt: skip
                    continue
                if has_classes and class_id == NO_CLASS:
                    yield Finding(name, Severity.NOTE, "photo-without-class", "none is stated")
                yield from self._left_out(sample)
                yield SourceItem(name, class_id, self.split_ids[shard], sample)

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of the member."""
        member = self.index.photo_of(item.key)
        size = int(self.index.size[member])
        if size > max_bytes:
            raise RefusedError(
                "too-large", f"{size:,} bytes, limit {max_bytes:,} (--max-file-bytes raises it)"
            )
        if admit is not None:
            admit(size)
        return self._members(int(self.index.shard[item.key]), [member])[0]

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size, mtime_ns) of the member; ``state`` says whether its tar is as it was."""
        member = self.index.photo_of(item.key)
        return int(self.index.size[member]), int(self.index.mtime_ns[member])

    def status(self, _item: SourceItem) -> tuple[int, int, int]:
        """(0, 0, 0): many tars give all their members one time."""
        return 0, 0, 0

    def label(self, item: SourceItem, _size: PhotoSize) -> Labelled:
        """The other members, as they are."""
        index, findings = self.index, []
        shard = int(index.shard[item.key])
        kept, endings = [], []
        try:
            members = [member for member in self._others(item.key) if self._is_kept(member)]
            for member, part in zip(members, self._members(shard, members), strict=True):
                name = index.name(item.key, member)
                kept.append(LabelFile(name, part.data, part.mtime_ns, 0o100000 | part.mode))
                endings.append(index.endings[int(index.ending[member])])
            where = class_member(endings)
            if where is not None and len(kept[where[0]].text) <= MAX_CLASS_BYTES:
                class_of(where[1], kept[where[0]].text)
        except LabelError as error:
            findings.append(
                Finding(
                    kept[where[0]].name if where is not None else item.name,
                    Severity.PROBLEM,
                    "label",
                    f"{error}; the photo is packed without a class",
                )
            )
        except RefusedError as refused:
            kept = []
            findings.append(refused.finding(item.name))
        return Labelled(SampleLabels(file=bundle(kept)), tuple(findings))

    def original(self, name: str) -> FileBytes:
        """The bytes of the member of that name."""
        end = name.find("/")
        while end >= 0:
            number = self._numbers.get(name[:end])
            member = None if number is None else self._table(number).member(name)
            if number is not None and member is not None:
                return self._members(number, [member])[0]
            end = name.find("/", end + 1)
        raise RefusedError("vanished", "no tar has such a member")

    def select(self, split: int) -> WebDatasetSource:
        """Only the photos of one split, with its findings; the first split has all others."""
        return replace(self, only=split)

    def _offered(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """For each tar, whether its samples are offered."""
        ids = np.array(self.split_ids, np.int64)
        return ids == self.only if self.only is not None else np.ones(len(ids), np.bool_)

    def _members(self, shard: int, members: Sequence[int]) -> list[FileBytes]:
        """The bytes of members of one sample; those that stand together are read together."""
        index, found = self.index, []
        path = os.path.join(self.root, index.shards[shard].name)
        data, start = b"", 0
        for place, member in enumerate(members):
            offset, size = int(index.offset[member]), int(index.size[member])
            if not place or offset + size > start + len(data):
                start, end = offset, offset + size
                for other in members[place + 1 :]:
                    further = int(index.offset[other]) + int(index.size[other])
                    if further - start > _READ_AT_ONCE_BYTES:
                        break
                    end = further
                data = read_part(path, index.stamps[shard], start, end - start)
            part = data[offset - start : offset - start + size]
            found.append(FileBytes(part, int(index.mtime_ns[member]), int(index.mode[member])))
        return found

    def _others(self, sample: int) -> Iterator[int]:
        photo = self.index.photo_of(sample)
        return (member for member in self.index.members(sample) if member != photo)

    def _is_kept(self, member: int) -> bool:
        index = self.index
        ending = index.endings[int(index.ending[member])].lower()
        return int(index.size[member]) <= MAX_KEPT_BYTES and ending not in self.unkept

    def _left_out(self, sample: int) -> Iterator[Finding]:
        for member in self._others(sample):
            size = int(self.index.size[member])
            if size > MAX_KEPT_BYTES:
                yield Finding(
                    self.index.name(sample, member), Severity.IGNORED, "not-packed",
                    f"{size:,} bytes; beside a photo, members up to {MAX_KEPT_BYTES:,} are kept",
                )  # fmt: skip


def _unkept(bytes_by_ending: dict[str, int]) -> dict[str, int]:
    """The endings of which there is most, until the rest fits a store."""
    left = sorted(bytes_by_ending.items(), key=lambda row: (row[1], row[0]))
    dropped = {}
    while sum(size for _, size in left) > MAX_KEPT_BYTES_IN_ALL:
        ending, size = left.pop()
        dropped[ending] = size
    return dropped
