"""The segmentation pictures of a VOC data set: a PNG a photo, of its objects and of its classes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress

from fastload.convert.findings import Finding, Severity
from fastload.convert.sources.place import Place
from fastload.convert.sources.voc.label_file import label_name, read_label_file
from fastload.convert.walk import join
from fastload.store import LabelFile

__all__ = ["ENDING", "OBJECTS", "Segmentation"]

OBJECTS = "SegmentationObject"
ENDING = ".png"
_CLASSES = "SegmentationClass"
#: What a store keeps of them: XMLs are in the same column.
_MAX_KEPT_BYTES = 3 << 30


class Segmentation:
    """Which pictures there are; they are read with the labels of their photo.

    Args:
        place: of the data set.
        years: its folders.

    Attributes:
        folders: that hold pictures.
        has_objects: some are of objects: labels have masks.
    """

    def __init__(self, place: Place, years: Sequence[str]) -> None:
        self._place = place
        there = [(year, name) for year in years for name in place.walk.listable_subfolders(year)]
        self.folders = [join(*pair) for pair in there if pair[1] in (_CLASSES, OBJECTS)]
        self._others = [
            join(*pair) for pair in there
            if pair[1].startswith("Segmentation") and pair[1] not in (_CLASSES, OBJECTS)
        ]  # fmt: skip
        self._kinds = sorted({name for _, name in there} & {_CLASSES, OBJECTS})
        self.has_objects = OBJECTS in self._kinds
        self._bytes = sum(map(self._size, self.folders))
        self._keeps = self._bytes <= _MAX_KEPT_BYTES

    def read(self, photo: str) -> tuple[list[LabelFile], LabelFile | None]:
        """The pictures of a photo that are kept, and the one of its objects.

        Raises:
            LabelError: one cannot be read.
        """
        kinds = self._kinds if self._keeps else [OBJECTS]
        found = {kind: read_label_file(self._place, label_name(photo, kind, ENDING))
                 for kind in kinds}  # fmt: skip
        kept = [file for file in found.values() if file is not None] if self._keeps else []
        return kept, found.get(OBJECTS)

    def findings(self) -> Iterator[Finding]:
        """What is not kept."""
        for folder in self._others:
            yield Finding(
                folder, Severity.IGNORED, "not-packed", "a folder that Pascal VOC does not have"
            )
        for folder in () if self._keeps else self.folders:
            yield Finding(
                folder, Severity.IGNORED, "not-packed",
                f"{self._bytes:,} bytes of segmentation pictures, and a store keeps "
                f"{_MAX_KEPT_BYTES:,}: it has the masks of objects, and not the files",
            )  # fmt: skip

    def _size(self, folder: str) -> int:
        sizes = 0
        with suppress(OSError), os.scandir(os.path.join(self._place.root, folder)) as entries:
            sizes = sum(entry.stat().st_size for entry in entries if entry.is_file())
        return sizes
