"""Layout ``list``: a text file that names a photo a line, without classes."""

from __future__ import annotations

import os

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import is_path
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.named_photos import NamedPhotos
from fastload.convert.sources.place import Place
from fastload.errors import SourceError
from fastload.store import NO_SPLIT, AnnotationHeader, attach

__all__ = ["open_list", "probe_list"]

LAYOUT = "list"


def probe_list(place: Place) -> bool:
    """Whether a text file was named."""
    return place.file is not None and place.file.lower().endswith((".txt", ".lst"))


def open_list(place: Place) -> ListedSource:
    """The photos in the list's order; paths are relative to the list."""
    if place.file is None:
        raise SourceError(f"{place.root}: expected a text file for the layout list, not a folder")
    file = place.read(place.file)
    photos = NamedPhotos(place)
    findings: list[Finding] = []
    entries: dict[str, SourceItem] = {}
    for number, line in enumerate(_lines(file[1]), start=1):
        text, origin = _entry(line, place.root), f"{file[0]}, line {number}"
        if not text:
            continue
        found = photos.item(text, origin)
        if isinstance(found, Finding):
            findings.append(found)
        elif found.name in entries:
            findings.append(
                Finding(found.name, Severity.NOTE, "listed-twice", f"{origin}: packed once")
            )
        else:
            entries[found.name] = found
    described, stored = attach([file])
    annotations = AnnotationHeader(LAYOUT, objects=False, files=described)
    return ListedSource(
        LAYOUT, place.boundary, (), (), list(entries.values()), {NO_SPLIT: findings},
        annotations=annotations, files=stored,
    )  # fmt: skip


def _lines(data: bytes) -> list[str]:
    """Lines as editors count them: names may hold what else Python's splitlines parts at."""
    text = data.decode("utf-8-sig", "surrogateescape")
    if "\n" not in text:
        return text.split("\r")
    return [line.removesuffix("\r") for line in text.split("\n")]


def _entry(line: str, root: str) -> str:
    """A line's path, with blanks around it where that is a file's name."""
    text = line.strip()
    is_named = text and text != line and is_path(line)
    return line if is_named and os.path.lexists(os.path.join(root, line)) else text
