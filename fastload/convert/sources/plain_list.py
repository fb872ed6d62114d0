"""Layout ``list``: a text file that names a photo a line, without classes."""

from __future__ import annotations

from fastload.convert.findings import Finding, Severity
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
    lines = file[1].decode("utf-8-sig", "surrogateescape").splitlines()
    for number, line in enumerate(lines, start=1):
        text, origin = line.strip(), f"{file[0]}, line {number}"
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
