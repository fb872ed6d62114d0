"""Where a photo's labels lie, and labels whose photo does not."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import outside_name
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.place import Place

__all__ = ["label_name", "orphans"]

_NO_LABELS = frozenset({"classes.txt", "notes.txt"})  # that labelling programs write beside labels


def label_name(item: SourceItem, root: str) -> tuple[str, str]:
    """Name and path of a photo's label file: the last folder "images" becomes "labels"."""
    path = item.path or "/" + item.name
    folder, images, rest = path.rpartition("/images/")
    label = os.path.splitext(f"{folder}/labels/{rest}" if images else path)[0] + ".txt"
    if item.path:
        return outside_name(label), label
    return label[1:], root + label


def orphans(place: Place, entries: Sequence[SourceItem]) -> Iterator[Finding]:
    """A finding for each label file below a folder "labels" that belongs to no listed photo."""
    names = {label_name(item, place.root)[0] for item in entries if not item.path}
    tops = sorted({name.rpartition("/labels/")[0] for name in ("/" + n for n in names)
                   if "/labels/" in name})  # fmt: skip
    seen: set[str] = set()
    for top in tops:
        for folder, below, files in os.walk(f"{place.root}{top}/labels"):
            below.sort()
            for file in sorted(files):
                name = os.path.relpath(os.path.join(folder, file), place.root)
                if not file.lower().endswith(".txt") or file in _NO_LABELS or name in seen:
                    continue
                seen.add(name)
                if name not in names:
                    yield _finding(place, name)


def _finding(place: Place, name: str) -> Finding:
    folder, _, rest = ("/" + name).rpartition("/labels/")
    stem = f"{place.root}{folder}/images/{rest[: -len('.txt')]}"
    if any(os.path.lexists(stem + ending) for ending in place.extensions):
        return Finding(
            name, Severity.IGNORED, "unlisted-label", "its photo is in none of the splits"
        )
    return Finding(name, Severity.PROBLEM, "label-without-photo", "there is no photo of its name")
