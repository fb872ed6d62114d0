"""Opening a table of photos."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged, shown
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.named_photos import NamedPhotos
from fastload.convert.sources.object_table import ObjectTable
from fastload.convert.sources.place import Place
from fastload.convert.sources.table.columns import Columns, find_columns
from fastload.convert.sources.table.rows import ENDINGS, read_rows
from fastload.convert.sources.unlisted_photos import unlisted_photos
from fastload.errors import SourceError
from fastload.store import (
    NO_CLASS,
    NO_SPLIT,
    AnnotationHeader,
    LabelState,
    Objects,
    SampleLabels,
    attach,
)

__all__ = ["open_table", "probe_table"]

LAYOUT = "table"
#: A table of one of these names describes the folder that it lies in.
_NAMES = tuple(f"metadata{ending}" for ending in ENDINGS)
_MAX_SPLITS = 255


def probe_table(place: Place) -> bool:
    """Whether a table was named, or lies in the folder as ``metadata.csv`` or the like."""
    path = _path(place)
    if path is None or place.file is not None:
        return path is not None
    try:
        find_columns(read_rows(*place.read(path)[:2])[0])
    except (LabelError, SourceError):
        return False  # a table of something else
    return True


def open_table(place: Place) -> ListedSource:
    """The photos in the table's order; paths are relative to the table."""
    path = _path(place)
    if path is None:
        raise SourceError(f"{place.root}: expected one of {', '.join(_NAMES)}; or name the file")
    file = place.read(path)
    names, rows = read_rows(file[0], file[1])
    try:
        columns = find_columns(names)
    except LabelError as error:
        raise SourceError(f"{file[0]}: {error}") from None
    table = _Table(place, columns, file[0])
    for where, row in rows:
        table.add(where, row)
    table.doubt_pixels()
    class_names, class_ids = _numbered(table.class_texts)
    described, stored = attach([file])
    fields = table.objects.fields
    has_objects = bool(columns.box) or fields is not None
    annotations = AnnotationHeader(
        LAYOUT, objects=has_objects, object_fields=fields.optional if fields else (),
        files=described,
    )  # fmt: skip
    if fields is not None:
        class_names, class_ids = table.objects.class_names, {}
        if columns.label:
            detail = "photos have objects, and classes are theirs"
            table.findings.append(Finding(columns.label, Severity.IGNORED, "not-packed", detail))
    photos = list(table.photos.values())
    entries = [
        replace(photo.item, key=key, class_id=class_ids.get(photo.label, NO_CLASS))
        for key, photo in enumerate(photos)
    ]
    split_names = tuple(table.splits)
    labels = TableLabels(file[0], photos, class_ids, None if fields is None else table.objects)
    return ListedSource(
        LAYOUT,
        place.boundary,
        class_names,
        split_names,
        entries,
        {NO_SPLIT: table.findings},
        partial(unlisted_photos, place, entries),
        labels.read if has_objects else None,
        annotations,
        stored,
    )


@dataclass(slots=True)
class _Photo:
    """What rows say of one photo: its class, or its objects."""

    item: SourceItem
    label: str = ""
    objects: list[tuple[str, tuple[float, float, float, float]]] = field(default_factory=list)
    error: LabelError | None = None


@dataclass(frozen=True)
class TableLabels:
    """Gives each photo its objects; ``key`` of an item counts in ``photos``."""

    file: str
    photos: list[_Photo]
    class_ids: Mapping[str, int]
    objects: ObjectTable | None = None

    def read(self, item: SourceItem, _size: PhotoSize) -> Labelled:
        """The labels of a photo."""
        photo = self.photos[item.key]
        if self.objects is not None:
            state, objects, error = self.objects.labels(item.key)
            if error:
                where = photo.item.origin.rpartition(", ")[2]
                return damaged(self.file, LabelError(f"{where}: objects: {error}"))
            return Labelled(SampleLabels(state, objects))
        if photo.error is not None:
            return damaged(self.file, photo.error)
        classes = [self.class_ids[label] for label, _box in photo.objects]
        objects = Objects.of(classes, [box for _label, box in photo.objects])
        state = LabelState.PRESENT if classes else LabelState.EMPTY
        return Labelled(SampleLabels(state, objects))


class _Table:
    """Rows, put to their photos."""

    def __init__(self, place: Place, columns: Columns, name: str) -> None:
        self._named = NamedPhotos(place)
        self._columns = columns
        self._name = name
        self.photos: dict[tuple[str, int], _Photo] = {}
        self.splits: dict[str, int] = {}
        self.class_texts: set[str] = set()
        self.objects = ObjectTable()
        self.findings: list[Finding] = []

    def add(self, where: str, row: dict[str, Any] | LabelError) -> None:
        """One row."""
        origin, columns = f"{self._name}, {where}", self._columns
        if isinstance(row, LabelError):
            self._note(origin, Severity.PROBLEM, "label", f"{row}; the row is left out")
            return
        item = self._named.item(row.get(columns.path), origin)
        if isinstance(item, Finding):
            self.findings.append(item)
            return
        split = self._split(row.get(columns.split)) if columns.split else NO_SPLIT
        key = item.name, split
        is_first = key not in self.photos
        photo = self.photos.setdefault(key, _Photo(replace(item, split=split)))
        if columns.objects and is_first:
            self.objects.add(row.get(columns.objects))
        label = _text(row.get(columns.label)) if columns.label else ""
        if columns.box:
            self._add_object(photo, where, row, label)
        elif photo.item.origin != origin:
            other = f"another class, {shown(label)}, than" if label != photo.label else "as in"
            severity = Severity.PROBLEM if label != photo.label else Severity.NOTE
            detail = f"{where}: {other} {photo.item.origin}; packed once, as there"
            self._note(item.name, severity, "listed-twice", detail)
        else:
            photo.label = label
            if label:
                self.class_texts.add(label)
            elif columns.label:
                self._note(item.name, Severity.NOTE, "photo-without-class", f"{where}: no class")

    def _add_object(self, photo: _Photo, where: str, row: dict[str, Any], label: str) -> None:
        try:
            box = self._columns.box_of(row)
            if box is not None and not label and self._columns.label:
                raise LabelError("a box without a class")
        except LabelError as error:
            photo.error = photo.error or LabelError(f"{where}: {error.detail}")
            return
        if box is not None:
            label = label or "object"
            photo.objects.append((label, box))
            self.class_texts.add(label)

    def doubt_pixels(self) -> None:
        """A remark where all boxes are so small that they seem to be shares of the picture."""
        boxes = [box for photo in self.photos.values() for _label, box in photo.objects]
        if boxes and all(
            max(abs(left), abs(top), right - left, bottom - top) <= 1
            for left, top, right, bottom in boxes
        ):
            detail = (
                f"all {len(boxes)} boxes are within a pixel of the corner: they are packed as "
                "pixels, and may be shares of the picture's width and height"
            )
            self._note(self._name, Severity.NOTE, "label-remark", detail)

    def _split(self, value: object) -> int:
        text = _text(value)
        if not text:
            return NO_SPLIT
        found = self.splits.setdefault(text, len(self.splits))
        if found >= _MAX_SPLITS:
            raise SourceError(
                f"{self._name}: column {self._columns.split}: expected at most {_MAX_SPLITS} splits"
            )
        return found

    def _note(self, name: str, severity: Severity, kind: str, detail: str) -> None:
        self.findings.append(Finding(name, severity, kind, detail))


def _path(place: Place) -> str | None:
    if place.file is not None:
        return place.file if place.file.lower().endswith(ENDINGS) else None
    paths = [os.path.join(place.root, name) for name in _NAMES]
    return next((path for path in paths if os.path.isfile(path)), None)


def _text(value: object) -> str:
    """A cell as the name of a class or a split."""
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, float):
        if not math.isfinite(value):
            return ""
        value = int(value) if value.is_integer() else value
    return str(value).strip()


def _numbered(texts: set[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """Class names in the order of ids: whole numbers by value, anything else as text."""
    numbers = all(text.isascii() and text.isdigit() and len(text) < 19 for text in texts)
    names = sorted(texts, key=lambda text: (int(text), text)) if numbers else sorted(texts)
    return tuple(names), {name: number for number, name in enumerate(names)}
