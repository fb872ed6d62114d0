"""Reading the headers of all tars, once."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from fastload.convert.files import open_regular
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError
from fastload.convert.names import has_extension, unsafe_reason
from fastload.convert.sources.class_column import ClassColumn
from fastload.convert.sources.webdataset.classes import (
    CLASS_ENDINGS,
    MAX_CLASS_BYTES,
    class_of,
)
from fastload.convert.sources.webdataset.index import Growing
from fastload.convert.sources.webdataset.shards import Shard
from fastload.convert.sources.webdataset.tar import TarMember, TarRemark, tar_members

__all__ = ["MAX_KEPT_BYTES", "Scan", "class_member"]

#: Larger members beside a photo are not kept: they are no labels.
MAX_KEPT_BYTES = 64 << 10
#: About what a member's name, size, time and permissions take.
_KEPT_WITH_BYTES = 100

_WHAT = {
    "special-file": (Severity.PROBLEM, "members that are no plain files"),
    "unsafe-name": (Severity.PROBLEM, "members whose names lead out of a folder"),
    "no-photo": (Severity.PROBLEM, "samples without a photo"),
    "duplicate-member": (Severity.PROBLEM, "members of a name that their sample has already"),
    "no-key": (Severity.IGNORED, "members that belong to no sample by their names"),
}


def class_member(endings: list[str]) -> tuple[int, str] | None:
    """Which of a sample's members states its class: its place, and what it is."""
    lower = [ending.lower() for ending in endings]
    return next(((lower.index(one), one) for one in CLASS_ENDINGS if one in lower), None)


@dataclass
class Scan:
    """The members of tars, put to their samples.

    Attributes:
        extensions: lower-case endings of photos, with the dot.
        note: told what there is to say, with the number of the tar.
        growing: the samples.
        classes: theirs.
        stamps: (size in bytes, mtime in ns) of each tar; (0, 0): it could not be read.
        bytes_by_ending: what keeping members besides photos takes.
    """

    extensions: tuple[str, ...]
    note: Callable[[int, Finding], None]
    growing: Growing = field(default_factory=Growing)
    classes: ClassColumn = field(default_factory=ClassColumn)
    stamps: list[tuple[int, int]] = field(default_factory=list)
    bytes_by_ending: dict[str, int] = field(default_factory=dict)

    def read(self, number: int, shard: Shard, path: str) -> None:
        """Read one tar's headers, and the members that state classes."""
        try:
            descriptor = open_regular(path)
        except RefusedError as refused:
            self.stamps.append((0, 0))
            self.note(number, refused.finding(shard.name))
            return
        try:
            status = os.fstat(descriptor)
            self.stamps.append((status.st_size, status.st_mtime_ns))
            tar = _Tar(self, number, shard, descriptor)
            for found in tar_members(descriptor, status.st_size):
                if isinstance(found, TarRemark):
                    finding = Finding(shard.name, found.severity, found.kind, found.detail)
                    self.note(number, finding)
                else:
                    tar.add(found)
            tar.finish()
        except OSError as error:
            finding = Finding(shard.name, Severity.PROBLEM, "unreadable", str(error.strerror))
            self.note(number, finding)
        finally:
            os.close(descriptor)


class _Tar:
    """One tar while its headers are read."""

    def __init__(self, scan: Scan, number: int, shard: Shard, descriptor: int) -> None:
        self._scan = scan
        self._number = number
        self._shard = shard
        self._descriptor = descriptor
        self._key = ""
        self._group: dict[str, TarMember] = {}  # by their endings
        self._told: dict[str, list[str]] = {}
        self._counts: dict[str, int] = {}

    def add(self, member: TarMember) -> None:
        """The next member: of the sample of the one before, or of a new one."""
        if member.kind:
            if member.kind != "folder":
                self._tell("special-file", f"{member.name!a:.120}, {member.kind}")
            return
        name = member.name
        while name.startswith(("./", "/")):  # as GNU tar takes names
            name = name.lstrip("/").removeprefix("./")
        folder, slash, base = name.rpartition("/")
        stem, dot, ending = base.partition(".")
        if not stem or not dot or not ending:
            self._tell("no-key", f"{member.name!a:.120}")
            return
        if unsafe_reason(name) is not None:
            self._tell("unsafe-name", f"{member.name!a:.120}")
            return
        key = folder + slash + stem
        if key != self._key:
            self._flush()
            self._key = key
        if ending in self._group:
            self._tell("duplicate-member", f"{member.name!a:.120}, bytes at {member.offset:,}")
            return
        self._group[ending] = member

    def finish(self) -> None:
        """The last sample, and what there was to say."""
        self._flush()
        for kind, examples in self._told.items():
            severity, what = _WHAT[kind]
            count = self._counts[kind]
            detail = f"{what} ({count:,}): {'; '.join(examples)}{'; ...' * (count > len(examples))}"
            self._scan.note(self._number, Finding(self._shard.name, severity, kind, detail))

    def _flush(self) -> None:
        group, self._group = self._group, {}
        if not group:
            return
        scan = self._scan
        endings = list(group)
        photo = self._photo(endings)
        if photo is None:
            shown = " ".join(f".{ending}" for ending in endings[:5])
            self._tell("no-photo", f"{self._key!a:.120} ({shown:.80})")
            return
        for place, (ending, member) in enumerate(group.items()):
            scan.growing.add_member(
                ending, member.offset, member.size, member.mtime_ns, member.mode
            )
            if place != photo and member.size <= MAX_KEPT_BYTES:
                lower, size = ending.lower(), member.size + _KEPT_WITH_BYTES
                scan.bytes_by_ending[lower] = scan.bytes_by_ending.get(lower, 0) + size
        scan.growing.add_sample(self._number, self._shard.name, self._key, photo, endings[photo])
        scan.classes.add(self._class(group))

    def _photo(self, endings: list[str]) -> int | None:
        """The first member that is ``key.jpg`` or the like, else the first ``key.left.jpg``."""
        extensions = self._scan.extensions
        lower = [f".{ending.lower()}" for ending in endings]
        whole = next((place for place, one in enumerate(lower) if one in extensions), None)
        if whole is not None:
            return whole
        return next((place for place, one in enumerate(lower) if has_extension(one, extensions)),
                    None)  # fmt: skip

    def _class(self, group: dict[str, TarMember]) -> int | str | None:
        where = class_member(list(group))
        if where is None:
            return None
        member = list(group.values())[where[0]]
        if member.size > MAX_CLASS_BYTES:
            return None
        try:
            return class_of(where[1], os.pread(self._descriptor, member.size, member.offset))
        except LabelError:
            return None  # said with the sample

    def _tell(self, kind: str, example: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._told.setdefault(kind, [])
        if len(examples) < 3:
            examples.append(example)
