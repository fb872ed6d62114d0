"""The protocol of a source: what packing asks of a layout, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from fastload.convert.files import FileBytes
from fastload.convert.findings import Finding
from fastload.convert.labelled import Labelled, PhotoSize
from fastload.store import NO_CLASS, NO_SPLIT, AnnotationHeader

__all__ = ["Source", "SourceItem"]


@dataclass(frozen=True, slots=True)
class SourceItem:
    """One photo that a source offers.

    Attributes:
        name: its relative path with "/"; unique in the source, or in its split.
        class_id: index in the source's ``class_names``, or NO_CLASS.
        split: index in the source's ``split_names``, or NO_SPLIT.
        key: the source's own number of it; -1: it has none.
        path: where the file lies, where that is not ``name`` below the root.
        origin: what names the photo, such as "train.txt, line 7", for messages; or "".
    """

    name: str
    class_id: int = NO_CLASS
    split: int = NO_SPLIT
    key: int = -1
    path: str = ""
    origin: str = ""


class Source(Protocol):
    """A data set in some layout; one module of this package a layout.

    Attributes:
        layout: the layout's name, as ``--layout`` takes it.
        root: the absolute folder that names are relative to.
        class_names: in the order of class ids.
        split_names: in the order of split ids; empty without splits.
        photo_count: how many items ``items()`` will give, as far as is known (for progress).
        annotations: what the labels of objects are; None: there are none.
        files: the contents of ``annotations.files``, as stored.
        state: what must be as it was for an interrupted packing to go on, beside what ``stamp``
            says of each photo: a hash, or "" where there is nothing else.
    """

    @property
    def layout(self) -> str: ...
    @property
    def root(self) -> str: ...
    @property
    def class_names(self) -> tuple[str, ...]: ...
    @property
    def split_names(self) -> tuple[str, ...]: ...
    @property
    def photo_count(self) -> int: ...
    @property
    def annotations(self) -> AnnotationHeader | None: ...
    @property
    def files(self) -> bytes: ...
    @property
    def state(self) -> str: ...

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in order, mixed with findings; the same each time for the same files.

        Where folders say everything, memory does not grow with the number of photos; where lists
        do, by a few hundred bytes each.
        """
        ...

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of a photo, at most ``max_bytes``. Called from many threads at once.

        ``admit`` is called with the size before memory is taken for it; it may wait.

        Raises:
            RefusedError: they cannot be had.
        """
        ...

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size in bytes, mtime in ns) of a photo as it is now; (0, 0) where it is not there."""
        ...

    def status(self, item: SourceItem) -> tuple[int, int, int]:
        """(size in bytes, mtime in ns, ``st_mode``) of the file that is a photo's alone.

        (0, 0, 0) where nothing follows from them: it is not there, may not be read, or is a part of
        another file.
        """
        ...

    def label(self, item: SourceItem, size: PhotoSize) -> Labelled | None:
        """The labels of a photo of that size, where there are ``annotations``.

        Called from many threads at once. Labels that cannot be read are a finding, not an error.
        """
        ...

    def original(self, name: str) -> FileBytes:
        """What ``unpack`` gives back as ``name``, as the source has it now: to be compared with.

        Called from many threads at once.

        Raises:
            RefusedError: it is not there, or cannot be read.
        """
        ...

    def select(self, split: int) -> Source:
        """The same source, offering only the photos of one split (class ids stay)."""
        ...
