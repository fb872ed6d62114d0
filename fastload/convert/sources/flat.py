"""Layout ``flat``: photos without classes, in one folder (or, where asked, below it)."""

from __future__ import annotations

from fastload.convert.findings import Finding
from fastload.convert.sources.folder import Branch, FolderSource
from fastload.convert.sources.place import Place

__all__ = ["open_flat", "probe_flat"]

LAYOUT = "flat"


def probe_flat(place: Place) -> bool:
    """Whether photos lie directly in the root, and nowhere below it."""
    walk = place.walk
    return walk.has_images("", recursive=False) and not any(
        walk.has_images(name) for name in walk.subfolders()
    )


def open_flat(place: Place) -> FolderSource:
    """All photos below the root, each without a class."""
    findings: list[Finding] = []
    walk = place.walk
    folders, photo_count = walk.folders("", findings)
    return FolderSource(
        LAYOUT, walk, (), (), (Branch(tuple(folders), photo_count),), tuple(findings)
    )
