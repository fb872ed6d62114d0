"""Where a source is looked for, and how."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from fastload.convert.boundary import Boundary
from fastload.convert.files import read_file
from fastload.convert.findings import RefusedError
from fastload.convert.names import IMAGE_EXTENSIONS
from fastload.convert.walk import FolderWalk
from fastload.errors import SourceError

__all__ = ["MAX_LABEL_FILE_BYTES", "Place", "SourceFile"]

#: Larger label files are refused: one is held in memory as a whole, and again as Python's objects.
MAX_LABEL_FILE_BYTES = 2 << 30

#: (name, bytes, mtime in ns, mode), as ``attach`` takes it.
SourceFile = tuple[str, bytes, int, int]


@dataclass(frozen=True)
class Place:
    """A folder, or one file in it, that holds a data set.

    Attributes:
        root: the absolute folder that names are relative to.
        file: the absolute path of the file that the user named, or None for a folder.
        follow_links: links and paths that lead out of ``root`` are followed.
        extensions: lower-case endings of photos.
        profile: the client whose rules for doubtful YOLO labels count.
    """

    root: str
    file: str | None = None
    follow_links: bool = False
    extensions: tuple[str, ...] = IMAGE_EXTENSIONS
    profile: str = "ultralytics"
    walk: FolderWalk = field(init=False)
    boundary: Boundary = field(init=False)

    def __post_init__(self) -> None:
        walk = FolderWalk(self.root, follow_links=self.follow_links, extensions=self.extensions)
        object.__setattr__(self, "walk", walk)
        boundary = Boundary(self.root, follow_links=self.follow_links)
        object.__setattr__(self, "boundary", boundary)

    def read(self, path: str) -> SourceFile:
        """A file of the data set that belongs to no single photo, to be attached.

        One that lies outside ``root`` goes by its last name alone.

        Raises:
            SourceError: it cannot be read, or leads out of the folder.
        """
        try:
            name = self.name(path)
            file = read_file(path, MAX_LABEL_FILE_BYTES)
        except RefusedError as error:
            raise SourceError(f"{path}: {error.detail}") from None
        return name, file.data, file.mtime_ns, 0o100000 | file.mode

    def name(self, path: str) -> str:
        """What a file of the data set is called: its path below ``root``, or its last name alone.

        Raises:
            RefusedError: it leads out of the folder, and is not the one that the user named.
        """
        name = self.boundary.name(path)
        if path != self.file and name is not None:
            self.boundary.check(path)
        return name or os.path.basename(path)
