"""Layout ``imagefolder``: a folder a class, as torchvision.datasets.ImageFolder reads it."""

from __future__ import annotations

from fastload.convert.findings import Finding
from fastload.convert.sources.folder import FolderSource, class_branches, loose_files
from fastload.convert.sources.place import Place

__all__ = ["open_imagefolder", "probe_imagefolder"]

LAYOUT = "imagefolder"


def probe_imagefolder(place: Place) -> bool:
    """Whether some folder in the root has photos in it, or below it."""
    return any(place.walk.has_images(name) for name in place.walk.subfolders())


def open_imagefolder(place: Place) -> FolderSource:
    """Every folder in the root is a class, empty ones too, so that ids are torchvision's."""
    walk = place.walk
    class_names = tuple(walk.subfolders())
    class_ids = {name: number for number, name in enumerate(class_names)}
    findings: list[Finding] = list(loose_files(walk, ""))
    branches = class_branches(walk, "", class_ids, findings)
    return FolderSource(LAYOUT, walk, class_names, (), tuple(branches), tuple(findings))
