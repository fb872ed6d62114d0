"""A source made of branches: folders whose photos share a class and a split."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from fastload.convert.files import FileBytes, file_status, read_file, read_original
from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import PhotoSize
from fastload.convert.names import NameCollisions
from fastload.convert.sources.base import SourceItem
from fastload.convert.walk import FolderWalk, collision_note, join
from fastload.store import NO_CLASS, NO_SPLIT

__all__ = ["Branch", "FolderSource", "class_branches", "loose_files"]


@dataclass(frozen=True, slots=True)
class Branch:
    """A folder to pack.

    Attributes:
        folders: it and all below it, relative to the root, in order of packing.
        photo_count: images in them.
        class_id: of its photos.
        split: of its photos.
    """

    folders: tuple[str, ...]
    photo_count: int
    class_id: int = NO_CLASS
    split: int = NO_SPLIT


@dataclass(frozen=True)
class FolderSource:
    """Implements ``Source`` for layouts in which the folder says the class and the split."""

    layout: str
    walk: FolderWalk
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    branches: tuple[Branch, ...]
    findings: tuple[Finding, ...] = ()

    annotations: None = None
    files: bytes = b""
    state: str = ""

    @property
    def root(self) -> str:
        """The absolute source folder."""
        return self.walk.root

    @property
    def photo_count(self) -> int:
        """Images listed when the source was opened."""
        return sum(branch.photo_count for branch in self.branches)

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in order, mixed with findings."""
        yield from self.findings
        for branch in self.branches:
            for folder in branch.folders:
                for found in self.walk.files(folder):
                    if isinstance(found, Finding):
                        yield found
                    else:
                        yield SourceItem(found, branch.class_id, branch.split)

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of the file."""
        return read_file(os.path.join(self.root, item.name), max_bytes, admit)

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size, mtime_ns) of the file; (0, 0) where it is not there."""
        try:
            status = os.stat(os.path.join(self.root, item.name))
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def status(self, item: SourceItem) -> tuple[int, int, int]:
        """(size, mtime_ns, mode) of the file; (0, 0, 0) where it is not there."""
        return file_status(os.path.join(self.root, item.name))

    def label(self, _item: SourceItem, _size: PhotoSize) -> None:
        """There are no labels of objects."""

    def original(self, name: str) -> FileBytes:
        """The bytes of the file of that name."""
        return read_original(self.root, name, follow_links=self.walk.follow_links)

    def select(self, split: int) -> FolderSource:
        """Only the photos of one split, with the findings of that split's folder."""
        prefix = self.split_names[split] + "/"
        return replace(
            self,
            branches=tuple(branch for branch in self.branches if branch.split == split),
            findings=tuple(
                finding
                for finding in self.findings
                if finding.name.startswith(prefix) or (split == 0 and "/" not in finding.name)
            ),
        )


def class_branches(
    walk: FolderWalk,
    folder: str,
    class_ids: dict[str, int],
    findings: list[Finding],
    split: int = NO_SPLIT,
) -> list[Branch]:
    """A branch for each class folder in ``folder``; an empty one keeps its class, and a note."""
    branches = []
    names = walk.subfolders(folder)
    for name, other, difference in NameCollisions().check_all(names):
        findings.append(collision_note(join(folder, name), other, difference))
    for name in names:
        path = join(folder, name)
        before = len(findings)
        folders, photo_count = walk.folders(path, findings)
        if not photo_count and len(findings) == before:
            findings.append(
                Finding(
                    path,
                    Severity.NOTE,
                    "empty-class",
                    "the class stays, without photos; ImageFolder wants allow_empty=True for it",
                )
            )
        branches.append(Branch(tuple(folders), photo_count, class_ids[name], split))
    return branches


def loose_files(walk: FolderWalk, folder: str) -> Iterator[Finding]:
    """Findings on files that lie beside class folders, where ImageFolder does not look."""
    for found in walk.files(folder):
        if isinstance(found, str):
            yield Finding(
                found,
                Severity.IGNORED,
                "outside-classes",
                "no class folder holds it: ImageFolder would not list it either",
            )
        elif found.severity is Severity.IGNORED:
            yield found
