"""Layout ``flat``: photos without classes, in one folder (or, where asked, below it)."""

from __future__ import annotations

from fastload.convert.findings import Finding
from fastload.convert.sources.folder import Branch, FolderSource
from fastload.convert.walk import FolderWalk

__all__ = ["open_flat", "probe_flat"]

LAYOUT = "flat"


def probe_flat(walk: FolderWalk) -> bool:
    """Whether photos lie directly in the root, and nowhere below it."""
    return walk.has_images("", recursive=False) and not any(
        walk.has_images(name) for name in walk.subfolders()
    )


def open_flat(walk: FolderWalk) -> FolderSource:
    """All photos below the root, each without a class."""
    findings: list[Finding] = []
    folders, photo_count = walk.folders("", findings)
    return FolderSource(
        LAYOUT, walk, (), (), (Branch(tuple(folders), photo_count),), tuple(findings)
    )
