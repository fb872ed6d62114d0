"""A source made of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fastload.convert.files import FileBytes
from fastload.convert.findings import Finding
from fastload.convert.labelled import Labelled, PhotoSize
from fastload.convert.sources.base import Source, SourceItem
from fastload.store import AnnotationHeader

__all__ = ["WrappedSource"]


@dataclass(frozen=True)
class WrappedSource:
    """Implements ``Source`` as another one does; what differs, a derived class overrides.

    Attributes:
        source: the other.
    """

    source: Source

    @property
    def layout(self) -> str:
        """As the source's, like all the following."""
        return self.source.layout

    @property
    def root(self) -> str:
        """The absolute source folder."""
        return self.source.root

    @property
    def class_names(self) -> tuple[str, ...]:
        """In the order of class ids."""
        return self.source.class_names

    @property
    def split_names(self) -> tuple[str, ...]:
        """In the order of split ids."""
        return self.source.split_names

    @property
    def photo_count(self) -> int:
        """As far as is known."""
        return self.source.photo_count

    @property
    def annotations(self) -> AnnotationHeader | None:
        """What the labels are."""
        return self.source.annotations

    @property
    def files(self) -> bytes:
        """The attached files."""
        return self.source.files

    @property
    def state(self) -> str:
        """What must not change beside the photos."""
        return self.source.state

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in order, and findings."""
        return self.source.items()

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of the file."""
        return self.source.read(item, max_bytes, admit)

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size, mtime_ns) of the file."""
        return self.source.stamp(item)

    def status(self, item: SourceItem) -> tuple[int, int, int]:
        """(size, mtime_ns, mode) of the file."""
        return self.source.status(item)

    def label(self, item: SourceItem, size: PhotoSize) -> Labelled | None:
        """The photo's labels."""
        return self.source.label(item, size)

    def original(self, name: str) -> FileBytes:
        """What ``unpack`` gives back as ``name``."""
        return self.source.original(name)

    def select(self, split: int) -> Source:
        """One split."""
        return self.source.select(split)
