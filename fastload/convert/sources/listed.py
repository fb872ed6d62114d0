"""A source whose photos were all listed when it was opened, with labels read for each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from fastload.convert.boundary import Boundary
from fastload.convert.files import FileBytes, file_status, read_file, read_original
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import Labelled, PhotoSize
from fastload.convert.sources.base import SourceItem
from fastload.store import NO_SPLIT, AnnotationHeader

__all__ = ["Labeller", "ListedSource"]

#: Gives a photo's labels; called from many threads at once.
Labeller = Callable[[SourceItem, PhotoSize], Labelled]


def _nothing() -> Iterator[Finding]:
    return iter(())


@dataclass(frozen=True)
class ListedSource:
    """Implements ``Source`` for layouts that lists, tables or annotation files make up.

    Attributes:
        entries: the photos, in order.
        findings: by split id, NO_SPLIT for those of no split; said first.
        last: what is found only at the end.
        labeller: reads a photo's labels; None: there are none.
        annotations: what they are.
        files: the attached files, as stored.
    """

    layout: str
    boundary: Boundary
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    entries: Sequence[SourceItem]
    findings: Mapping[int, Sequence[Finding]] = field(default_factory=dict)
    last: Callable[[], Iterator[Finding]] = _nothing
    labeller: Labeller | None = None
    annotations: AnnotationHeader | None = None
    files: bytes = b""
    state: str = ""

    @property
    def root(self) -> str:
        """The absolute source folder."""
        return self.boundary.root

    @property
    def photo_count(self) -> int:
        """Photos listed when the source was opened."""
        return len(self.entries)

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in order, findings before and behind them."""
        for findings in self.findings.values():
            yield from findings
        yield from self.entries
        yield from self.last()

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of the file."""
        path = self._path(item)
        try:
            self.boundary.check(path)
            return read_file(path, max_bytes, admit)
        except RefusedError as refused:
            if item.origin:
                kind, detail = refused.kind, refused.detail
                if kind == "vanished":
                    kind, detail = "missing", _absence(path)
                raise RefusedError(kind, f"named by {item.origin}: {detail}") from None
            raise

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size, mtime_ns) of the file; (0, 0) where it is not there."""
        try:
            status = os.stat(self._path(item))
        except OSError:
            return 0, 0
        return status.st_size, status.st_mtime_ns

    def status(self, item: SourceItem) -> tuple[int, int, int]:
        """(size, mtime_ns, mode) of the file; (0, 0, 0) where it is not there, or lies outside."""
        path = self._path(item)
        try:
            self.boundary.check(path)
        except RefusedError:
            return 0, 0, 0
        return file_status(path)

    def label(self, item: SourceItem, size: PhotoSize) -> Labelled | None:
        """The photo's labels."""
        return None if self.labeller is None else self.labeller(item, size)

    def original(self, name: str) -> FileBytes:
        """The bytes of the file of that name."""
        return read_original(self.root, name, follow_links=self.boundary.follow_links)

    def select(self, split: int) -> ListedSource:
        """Only the photos of one split, with its findings; the first split has all others.

        Photos of no split are in none: each is a problem, of the first split.
        """
        kept = {split, NO_SPLIT} if split == 0 else {split}
        findings = {key: found for key, found in self.findings.items() if key in kept}
        if split == 0:
            left = [_without_split(item) for item in self.entries if item.split == NO_SPLIT]
            findings[NO_SPLIT] = [*findings.get(NO_SPLIT, ()), *left]
        return replace(
            self,
            entries=[item for item in self.entries if item.split == split],
            findings=findings,
            last=self.last if split == 0 else _nothing,
        )

    def _path(self, item: SourceItem) -> str:
        return item.path or os.path.join(self.root, item.name)


def _absence(path: str) -> str:
    """Why there is nothing at ``path``."""
    if os.path.islink(path):
        return "a link that leads nowhere"
    hint = "; folders are parted by / here, not by \\" if "\\" in path else ""
    return f"there is no such file{hint}"


def _without_split(item: SourceItem) -> Finding:
    return Finding(
        item.name, Severity.PROBLEM, "no-split",
        "not packed: it has no split, and there is a store for each split only; pack without "
        "--split-stores, or give it a split",
    )  # fmt: skip
