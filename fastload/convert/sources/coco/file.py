"""One COCO JSON: its images and categories, and its annotations where they stand in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastload.convert.counted import counted
from fastload.convert.files import open_regular, read_parts
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.json_reader import JsonReader
from fastload.convert.labelled import LabelError, shown
from fastload.convert.names import is_path
from fastload.convert.sources.coco.annotation_index import AnnotationIndex, AnnotationPlaces
from fastload.convert.sources.coco.category import Category, read_categories
from fastload.convert.sources.coco.numbers import identity_of, whole
from fastload.convert.sources.place import MAX_LABEL_FILE_BYTES, Place
from fastload.errors import SourceError
from fastload.store import AttachedFile, Attaching

__all__ = ["CocoFile", "CocoImage", "read_coco"]

_ID_LIMIT = 1 << 63
_PIECE_BYTES = 1 << 20
_MAX_REPEATED = 100  # ids that stand twice, by name


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image that a file lists.

    Attributes:
        file_name: as the file states it.
        place: in the file's list.
        identity: its id; None where ids are no integers.
        size: (height, width), where they are stated.
        number: of its id in the file's index of annotations.
    """

    file_name: str
    place: int
    identity: int | None
    size: tuple[int, int] | None
    number: int


@dataclass(frozen=True, slots=True)
class CocoFile:
    """What is kept of a file: annotations stay in it, and are read for each image.

    Attributes:
        name: the file's, for messages.
        path: where it is.
        stamp: (size in bytes, mtime in ns) that it must keep.
        categories: by id.
        images: in the file's order.
        index: of annotations.
        findings: what there is to say.
    """

    name: str
    path: str
    stamp: tuple[int, int]
    categories: dict[int, Category]
    images: list[CocoImage]
    index: AnnotationIndex
    findings: list[Finding]

    def annotations(self, number: int) -> list[tuple[int, dict[Any, Any]]]:
        """(place in the file's list, annotation) of an image, by the number of its id.

        Raises:
            RefusedError: the file is not as it was.
            LabelError: one is nested so deep that it cannot be read here, though it could before.
        """
        places, stretches = self.index.of(number)
        texts = read_parts(self.path, self.stamp, stretches) if places else []
        try:
            values = json.loads(b"[%b]" % b",".join(texts))
            if not all(isinstance(value, dict) for value in values):
                raise ValueError("other bytes of the same time")
            return list(zip(places, values, strict=True))
        except (RecursionError, ValueError) as error:
            detail = f"annotations[{places[0]}], or one of its image's: {error}"
            raise LabelError(detail[:200]) from None


def read_coco(place: Place, path: str) -> tuple[CocoFile, AttachedFile, bytes]:
    """A COCO JSON, and it as an attached file with its contents as stored.

    Raises:
        SourceError: it cannot be read, or is none; with the line where one is known.
    """
    try:
        name = place.name(path)
        descriptor = open_regular(path)
    except RefusedError as refused:
        raise SourceError(f"{path}: {refused.detail}") from None
    try:
        for _ in range(2):
            os.lseek(descriptor, 0, os.SEEK_SET)
            before = os.fstat(descriptor)
            if before.st_size > MAX_LABEL_FILE_BYTES:
                raise SourceError(
                    f"{path}: {before.st_size:,} bytes, limit {MAX_LABEL_FILE_BYTES:,}"
                )
            stamp = before.st_size, before.st_mtime_ns
            attaching = Attaching(before.st_size)
            scan, failure = _Scan(name), None
            try:
                scan.run(JsonReader(_pieces(descriptor, attaching)))
            except LabelError as error:
                failure = SourceError(f"{name}: {error}")
            after = os.fstat(descriptor)
            if stamp == (after.st_size, after.st_mtime_ns):
                if failure is not None:
                    raise failure
                attached = attaching.finish(name, after.st_mtime_ns, after.st_mode)
                file = scan.file(path, stamp)
                file.findings.extend(_without_image(file, scan))
                return file, *attached
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    finally:
        os.close(descriptor)
    raise SourceError(f"{path}: changed while it was read, twice; pack when nothing writes to it")


def _pieces(descriptor: int, attaching: Attaching) -> Iterator[bytes]:
    while piece := os.read(descriptor, _PIECE_BYTES):
        attaching.add(piece)
        yield piece


class _Scan:
    """Goes through a file once."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._categories: dict[int, Category] = {}
        self._images: list[CocoImage] = []
        self._findings: list[Finding] = []
        self._annotations = AnnotationPlaces()
        self._imaged: set[int] = set()
        self._sizes: dict[tuple[int, int], tuple[int, int]] = {}  # most photos share theirs

    def run(self, reader: JsonReader) -> None:
        """Raises LabelError where the file is no COCO JSON."""
        wrong = {}
        categories: list[object] = []
        for key in reader.members():
            if key not in ("images", "annotations", "categories"):
                reader.skip()
            elif not reader.is_list():
                wrong[key] = shown(reader.value())
            else:
                for place, (value, offset, size) in enumerate(reader.elements()):
                    if key == "annotations":
                        self._annotation(place, value, offset, size)
                    elif key == "images":
                        self._image(place, value)
                    else:
                        categories.append(value)
        for key, value in wrong.items():
            raise LabelError(f"{key}: expected a list, found {value}")
        self._categories, remarks = read_categories(categories)
        for place, remark in remarks:
            name = f"{self._name}, categories[{place}]"
            self._findings.append(Finding(name, Severity.NOTE, "label-remark", remark))
        self._say_repeated()

    def file(self, path: str, stamp: tuple[int, int]) -> CocoFile:
        """What was found."""
        index = self._annotations.sorted()
        return CocoFile(
            self._name, path, stamp, self._categories, self._images, index, self._findings
        )

    def _say_repeated(self) -> None:
        repeated, count = self._annotations.repeated(_MAX_REPEATED)
        for identity, first, place in repeated:
            self._problem(
                f"annotations[{place}]", "annotation-id",
                f"id {identity}: annotations[{first}] has it too; both are packed",
            )  # fmt: skip
        if left := count - len(repeated):
            self._problem("annotations", "annotation-id",
                          f"{left:,} more have an id that stands before them")  # fmt: skip

    def strays(self) -> Iterator[tuple[int | str, int]]:
        """(id, its number) of images that only annotations name."""
        for identity, number in self._annotations.numbers.items():
            if number not in self._imaged:
                yield identity, number

    def _annotation(self, place: int, value: Any, offset: int, size: int) -> None:
        identity = identity_of(value.get("image_id")) if isinstance(value, dict) else None
        if identity is not None:
            self._annotations.add(place, identity, offset, size, whole(value.get("id")))
            return
        self._problem(
            f"annotations[{place}]", "label",
            f"expected an annotation with image_id, found {shown(value)}; left out",
        )  # fmt: skip

    def _image(self, place: int, image: Any) -> None:
        where = f"images[{place}]"
        name = image.get("file_name") if isinstance(image, dict) else None
        if not isinstance(name, str) or not is_path(name):
            self._problem(where, "label", f"expected an image with file_name: {shown(image)}")
            return
        identity = identity_of(image.get("id"))
        number = -1 if identity is None else self._annotations.number(identity)
        if identity is None or number in self._imaged:
            found, what = (
                (image.get("id"), "expected an integer")
                if identity is None
                else (identity, "another image has it")
            )
            self._problem(where, "image-id", f"id {shown(found)}: {what}; not packed")
            return
        self._imaged.add(number)
        height, width = whole(image.get("height")), whole(image.get("width"))
        size = (height, width) if type(height) is int and type(width) is int else None
        known = identity if isinstance(identity, int) and abs(identity) < _ID_LIMIT else None
        shared = None if size is None else self._sizes.setdefault(size, size)
        self._images.append(CocoImage(name, place, known, shared, number))

    def _problem(self, where: str, kind: str, detail: str) -> None:
        self._findings.append(Finding(f"{self._name}, {where}", Severity.PROBLEM, kind, detail))


def _without_image(file: CocoFile, scan: _Scan) -> Iterator[Finding]:
    for identity, number in scan.strays():
        try:
            (place, first), *_ = file.annotations(number)
        except (RefusedError, LabelError) as error:
            raise SourceError(f"{file.path}: {error.detail}") from None
        annotations = counted(file.index.count(number), "annotation")
        yield Finding(
            f"{file.name}, annotations[{place}]", Severity.PROBLEM, "label-without-photo",
            f"image_id {shown(identity)}: no such image ({annotations}, the first "
            f"has the id {shown(first.get('id'))})",
        )  # fmt: skip
