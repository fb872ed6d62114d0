"""Opening an image set of Hugging Face's ``datasets``."""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastload.convert.boundary import Boundary
from fastload.convert.counted import counted
from fastload.convert.files import FileBytes, read_part
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged
from fastload.convert.names import printable
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.class_names import unique_names
from fastload.convert.sources.container_state import container_state
from fastload.convert.sources.huggingface.arrow import arrow_errors, has_arrow, parquet
from fastload.convert.sources.huggingface.discover import (
    TableFile,
    list_tables,
    looks_saved,
    parquet_walk,
)
from fastload.convert.sources.huggingface.features import image_columns
from fastload.convert.sources.huggingface.pictures import ParquetPhotos
from fastload.convert.sources.huggingface.scan import (
    MAX_TEXT_BYTES,
    NO_SUCH_CLASS,
    Rows,
    ScannedFile,
)
from fastload.convert.sources.place import Place
from fastload.errors import SourceError
from fastload.store import NO_CLASS, NO_SPLIT, AnnotationHeader, LabelFile, SampleLabels

__all__ = ["open_huggingface", "probe_huggingface"]

LAYOUT = "huggingface"
_NAME = re.compile(r"(?:(.+)/)?([0-9]{8,18})(.*)", re.DOTALL)
_MAX_SPLITS = 255


def probe_huggingface(place: Place) -> bool:
    """Whether a file with a column of photos was named, or a folder holds such and no photos.

    One in a folder that cannot be read counts as well: opening the folder says why.
    """
    if place.file is not None:
        return place.file.lower().endswith(".arrow") or _has_photos(place.file)
    if looks_saved(place):
        return True
    walk = parquet_walk(place)
    if place.walk.has_images("") or not walk.has_images(""):
        return False
    names = (os.path.join(place.root, found) for folder in walk.folders("", [])[0]
             for found in walk.files(folder) if isinstance(found, str))  # fmt: skip
    return not has_arrow() or any(_has_photos(name, unreadable=True) for name in names)


def _has_photos(path: str, *, unreadable: bool = False) -> bool:
    if not path.lower().endswith(".parquet") or not has_arrow() or not os.path.isfile(path):
        return False
    try:
        return bool(image_columns(parquet().read_schema(path)))
    except arrow_errors():
        return unreadable


def open_huggingface(place: Place) -> HuggingFaceSource:
    """All rows of all files, in order. Nothing of the data set is run, and nothing downloaded."""
    parquet()  # or the error says how to get it
    found: list[Finding] = []
    tables = list_tables(place, found)
    splits = list(dict.fromkeys(table.split for table in tables if table.split))
    if len(splits) > _MAX_SPLITS:
        raise SourceError(f"{place.root}: expected at most {_MAX_SPLITS} splits")
    findings: dict[int, list[Finding]] = {NO_SPLIT: found}

    def note(split: str, finding: Finding) -> None:
        key = splits.index(split) if split else NO_SPLIT
        findings.setdefault(key, []).append(finding)

    rows = Rows(note)
    for table in tables:
        _read(place, rows, table, note)
    if rows.columns is None:
        said = [f for some in findings.values() for f in some if f.severity is Severity.PROBLEM]
        raise SourceError(
            f"{place.file or place.root}: expected Parquet or Arrow files with a column of images"
            + "".join(f"; {printable(one.name)}: {one.detail}" for one in said[:3])
        )
    for name, kind in rows.columns.others:
        detail = f"a column of {counted(rows.count, 'row')}, {kind}"
        findings[NO_SPLIT].append(Finding(name, Severity.IGNORED, "not-packed", detail))
    if rows.texts is None:
        for name in rows.columns.kept:
            detail = (f"texts, numbers and truth values of all rows together have more than "
                      f"{MAX_TEXT_BYTES:,} bytes")  # fmt: skip
            findings[NO_SPLIT].append(Finding(name, Severity.IGNORED, "not-packed", detail))
    names, class_ids = _classes(rows, findings[NO_SPLIT])
    return HuggingFaceSource(
        place.boundary, rows, names, class_ids, tuple(splits), findings, _described(rows)
    )


def _read(place: Place, rows: Rows, table: TableFile, note: Callable[[str, Finding], None]) -> None:
    path = os.path.join(place.root, table.name)
    try:
        if path != place.file:
            place.boundary.check(path)
    except RefusedError as refused:
        note(table.split, refused.finding(table.name))
        return
    rows.add(table, path)


def _classes(rows: Rows, findings: list[Finding]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Class names, and each row's class."""
    none = np.full(rows.count, NO_CLASS, np.int32)
    columns = rows.columns
    assert columns is not None

    def note(detail: str) -> None:
        findings.append(Finding(columns.label, Severity.NOTE, "class-name-twice", detail))

    if rows.objects is not None:
        return unique_names(rows.objects.class_names, note), none
    if columns.names:
        return unique_names(columns.names, note), np.array(rows.class_ids, np.int32)
    if not columns.label:
        return (), none
    found = rows.classes.names_and_ids()
    if rows.no_class is not None:
        row, value = rows.no_class
        detail = (f"expected whole numbers for classes, found {value:g} in row {row} (from 0); "
                  "photos are packed without")  # fmt: skip
        findings.append(Finding(columns.label, Severity.NOTE, "no-classes", detail))
        return (), none
    if found is None:
        findings.append(
            Finding(columns.label, Severity.NOTE, "too-many-classes",
                    "it has too many values to be classes; photos are packed without")
        )  # fmt: skip
        return (), none
    return found


def _described(rows: Rows) -> AnnotationHeader | None:
    columns = rows.columns
    has_texts = rows.texts is not None and rows.texts.size_bytes > 0
    if columns is None or columns.object_fields is None:
        return AnnotationHeader(LAYOUT, objects=False, label_files=True) if has_texts else None
    return AnnotationHeader(
        LAYOUT,
        object_fields=columns.object_fields.optional,
        image_ids=bool(columns.image_id),
        label_files=has_texts,
    )


@dataclass(frozen=True)
class HuggingFaceSource:
    """Implements ``Source`` for rows. Names are the split, the row's number, and its path's end.

    Attributes:
        rows: all of them.
        class_ids: of each row, or NO_CLASS.
        findings: by split id; said first.
        only: the one split that is offered; None: all.
    """

    boundary: Boundary
    rows: Rows
    class_names: tuple[str, ...]
    class_ids: NDArray[np.int32]
    split_names: tuple[str, ...]
    findings: dict[int, list[Finding]]
    annotations: AnnotationHeader | None
    only: int | None = None

    layout: str = LAYOUT
    files: bytes = b""
    _ends: list[int] = field(init=False, repr=False, compare=False)
    _firsts: dict[str, list[tuple[int, int]]] = field(init=False, repr=False, compare=False)
    _photos: Callable[[int], ParquetPhotos] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = [file.first + file.count for file in self.rows.files]
        object.__setattr__(self, "_ends", ends)
        firsts: dict[str, list[tuple[int, int]]] = {}
        for number, file in enumerate(self.rows.files):
            firsts.setdefault(file.table.split, []).append((file.first_in_split, number))
        object.__setattr__(self, "_firsts", firsts)
        object.__setattr__(self, "_photos", lru_cache(maxsize=3)(self._open))

    @property
    def root(self) -> str:
        """The absolute source folder."""
        return self.boundary.root

    @property
    def photo_count(self) -> int:
        """Rows."""
        return sum(file.count for file in self.rows.files if self._offers(file))

    @property
    def state(self) -> str:
        """A hash over the files' names, sizes and times."""
        return container_state((file.table.name, file.stamp) for file in self.rows.files)

    def items(self) -> Iterator[SourceItem | Finding]:
        """All photos in the rows' order, findings before them."""
        for split, findings in self.findings.items():
            if self.only is None or split == self.only or (split == NO_SPLIT and not self.only):
                yield from findings
        has_classes = bool(self.class_names) and self.rows.objects is None
        for file in filter(self._offers, self.rows.files):
            split = self._split(file)
            for row in range(file.first, file.first + file.count):
                name, class_id = self._name(file, row), int(self.class_ids[row])
                if class_id == NO_SUCH_CLASS:
                    yield Finding(name, Severity.PROBLEM, "label",
                                  "no such class; the photo is packed without one")  # fmt: skip
                elif class_id == NO_CLASS and has_classes:
                    yield Finding(name, Severity.NOTE, "photo-without-class", "none is stated")
                yield SourceItem(name, max(class_id, NO_CLASS), split, row)

    def read(
        self, item: SourceItem, max_bytes: int, admit: Callable[[int], object] | None = None
    ) -> FileBytes:
        """The bytes of the photo; those of Parquet are admitted once they are decoded."""
        return self._read(self._number(item.key), item.key, max_bytes, admit)

    def stamp(self, item: SourceItem) -> tuple[int, int]:
        """(size of the photo, mtime_ns of its file)."""
        number = self._number(item.key)
        file = self.rows.files[number]
        if not file.table.is_parquet:
            return max(0, file.sizes[item.key - file.first]), file.stamp[1]
        try:
            return len(self._read(number, item.key, 1 << 40, None).data), file.stamp[1]
        except RefusedError:
            return 0, 0

    def status(self, _item: SourceItem) -> tuple[int, int, int]:
        """(0, 0, 0): a photo is a part of a file."""
        return 0, 0, 0

    def label(self, item: SourceItem, _size: PhotoSize) -> Labelled | None:
        """The objects of the photo, and the further columns of its row."""
        text = self._text(self.rows.files[self._number(item.key)], item.key)
        if self.rows.objects is None:
            return None if self.annotations is None else Labelled(SampleLabels(file=text))
        image_id = self.rows.image_ids[item.key] if self.rows.image_ids else 0
        state, objects, error = self.rows.objects.labels(item.key)
        if error:
            return damaged(item.name, LabelError(error), text, image_id=image_id)
        return Labelled(SampleLabels(state, objects, image_id=image_id, file=text))

    def _text(self, file: ScannedFile, row: int) -> LabelFile | None:
        """The further columns of a row, as a file beside its photo; None where all are empty."""
        text = b"" if self.rows.texts is None else self.rows.texts[row]
        if not text:
            return None
        stem, ending = os.path.splitext(self._name(file, row))
        name = f"{stem}.json" if ending.lower() != ".json" else f"{stem}{ending}.json"
        return LabelFile(name, text, file.stamp[1], 0o100000 | file.mode)

    def original(self, name: str) -> FileBytes:
        """The bytes of the photo of that name, or of the file beside it."""
        parts = _NAME.fullmatch(name)
        if parts is not None:
            row_in_split, firsts = int(parts[2]), self._firsts.get(parts[1] or "", [])
            place = bisect_right(firsts, (row_in_split, len(self.rows.files)))
            number = firsts[place - 1][1] if place else 0
            file = self.rows.files[number]
            row = row_in_split - file.first_in_split + file.first
            if file.first <= row < file.first + file.count:
                text = self._text(file, row)
                if self._name(file, row) == name:
                    return self._read(number, row, 1 << 40, None)
                if text is not None and text.name == name:
                    return FileBytes(text.text, text.mtime_ns, file.mode)
        raise RefusedError("vanished", "no row has such a photo")

    def select(self, split: int) -> HuggingFaceSource:
        """Only the photos of one split, with its findings; the first split has all others."""
        return replace(self, only=split)

    def _offers(self, file: ScannedFile) -> bool:
        return self.only is None or self._split(file) == self.only

    def _split(self, file: ScannedFile) -> int:
        return self.split_names.index(file.table.split) if file.table.split else NO_SPLIT

    def _number(self, row: int) -> int:
        """Which file a row stands in."""
        return bisect_right(self._ends, row)

    def _name(self, file: ScannedFile, row: int) -> str:
        base = self.rows.base(row)
        dash = "-" if base and not base.startswith(".") else ""
        name = f"{row - file.first + file.first_in_split:08}{dash}{base}"
        return f"{file.table.split}/{name}" if file.table.split else name

    def _open(self, number: int) -> ParquetPhotos:
        file, columns = self.rows.files[number], self.rows.columns
        assert columns is not None
        column = f"{columns.image}.bytes" if columns.is_struct else columns.image
        return ParquetPhotos(file.path, file.stamp, column)

    def _read(
        self, number: int, row: int, max_bytes: int, admit: Callable[[int], object] | None
    ) -> FileBytes:
        file = self.rows.files[number]
        place = row - file.first
        if file.table.is_parquet:
            found = self._photos(number).read(place)
            size = -1 if found is None else len(found)
        else:
            found, size = None, file.sizes[place]
        if size < 0:
            raise RefusedError(
                "no-photo", "the row has no bytes of an image, only a path or nothing; "
                "save_to_disk and push_to_hub of datasets embed them"
            )  # fmt: skip
        if size > max_bytes:
            raise RefusedError(
                "too-large", f"{size:,} bytes, limit {max_bytes:,} (--max-file-bytes raises it)"
            )
        if admit is not None:
            admit(size)
        if found is None:
            found = read_part(file.path, file.stamp, file.offsets[place], size)
        return FileBytes(found, file.stamp[1], file.mode)
