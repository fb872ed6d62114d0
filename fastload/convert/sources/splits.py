"""Layout ``splits``: train, val and test folders, each with a folder a class, or just photos."""

from __future__ import annotations

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import printable
from fastload.convert.sources.folder import Branch, FolderSource, class_branches, loose_files
from fastload.convert.sources.place import Place
from fastload.convert.walk import FolderWalk

__all__ = ["SPLIT_NAMES", "open_splits", "probe_splits"]

LAYOUT = "splits"
SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "test", "testing")


def _split_folders(walk: FolderWalk) -> list[str]:
    """The folders named like splits that hold photos, in the order of ``SPLIT_NAMES``."""
    found = [name for name in walk.subfolders() if name.lower() in SPLIT_NAMES]
    found.sort(key=lambda name: (SPLIT_NAMES.index(name.lower()), name))
    return [name for name in found if walk.has_images(name)]


def _has_classes(walk: FolderWalk, split: str) -> bool:
    return any(walk.has_images(f"{split}/{name}") for name in walk.subfolders(split))


def probe_splits(place: Place) -> bool:
    """Whether all photos lie in folders named like splits, and some of those in class folders."""
    walk = place.walk
    splits = _split_folders(walk)
    others = (name for name in walk.subfolders() if name not in splits)
    return any(_has_classes(walk, split) for split in splits) and not any(
        walk.has_images(name) for name in others
    )


def open_splits(place: Place) -> FolderSource:
    """Splits with classes aligned by name: ids count the sorted union over all splits."""
    walk = place.walk
    splits = _split_folders(walk)
    classes = {
        split: walk.subfolders(split) if _has_classes(walk, split) else [] for split in splits
    }
    class_names = tuple(sorted(set().union(*classes.values())))
    class_ids = {name: number for number, name in enumerate(class_names)}
    findings: list[Finding] = list(loose_files(walk, ""))
    branches: list[Branch] = []
    for number, split in enumerate(splits):
        if not classes[split]:
            folders, photo_count = walk.folders(split, findings)
            branches.append(Branch(tuple(folders), photo_count, split=number))
            continue
        findings += loose_files(walk, split)
        findings += _missing_classes(split, classes[split], class_names)
        branches += class_branches(walk, split, class_ids, findings, number)
    return FolderSource(LAYOUT, walk, class_names, tuple(splits), tuple(branches), tuple(findings))


def _missing_classes(split: str, found: list[str], all_names: tuple[str, ...]) -> list[Finding]:
    missing = sorted(set(all_names) - set(found))
    if not missing:
        return []
    shown = ", ".join(map(printable, missing[:5])) + (", ..." if len(missing) > 5 else "")
    return [
        Finding(
            split, Severity.NOTE, "split-lacks-classes",
            f"{len(missing)} of {len(all_names)} have no folder in it ({shown}); ids follow all "
            "splits' names together, so an ImageFolder on this split alone would count otherwise",
        )
    ]  # fmt: skip
