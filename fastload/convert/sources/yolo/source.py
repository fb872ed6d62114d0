"""Opening a YOLO data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from fastload.convert.files import read_file
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.class_names import unique_names
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.other_files import other_files
from fastload.convert.sources.place import Place, SourceFile
from fastload.convert.sources.splits import SPLIT_NAMES
from fastload.convert.sources.yolo.config import YoloConfig, is_yolo_yaml, read_config
from fastload.convert.sources.yolo.label_text import YoloRules, read_label_text
from fastload.convert.sources.yolo.listing import SplitListing
from fastload.convert.sources.yolo.orphans import label_name, orphans
from fastload.errors import SourceError
from fastload.store import (
    NO_SPLIT,
    AnnotationHeader,
    LabelFile,
    LabelState,
    SampleLabels,
    attach,
)

__all__ = ["open_yolo", "probe_yolo"]

LAYOUT = "yolo"
#: Larger label files are refused: a million boxes would be one.
MAX_LABEL_BYTES = 32 << 20
#: Beside torchvision's endings, what both clients read and Pillow may.
_MORE_EXTENSIONS = (".mpo", ".pfm", ".dng")
_CLASS_FILES = ("classes.txt", "labels/classes.txt", "obj.names")


def probe_yolo(place: Place) -> bool:
    """Whether there is a yaml of a data set, or images and labels in folders of these names."""
    if place.file is not None:
        return is_yolo_yaml(place.file)
    return bool(_yamls(place.root)) or bool(_folders(place))


def open_yolo(place: Place) -> ListedSource:
    """The data set that a yaml describes, or that folders make up."""
    place = replace(place, extensions=(*place.extensions, *_MORE_EXTENSIONS))
    path = place.file or _yaml(place.root)
    config = read_config(path) if path else None
    bases = [place.root]
    if config is not None:
        place, bases = _bases(place, config)
    splits = config.splits if config else _folders(place)
    findings: dict[int, list[Finding]] = {NO_SPLIT: list(config.findings) if config else []}
    if config:
        names, attached = config.class_names, [place.read(config.path)]
    else:
        names, attached = _class_names(place, findings[NO_SPLIT])
    entries: list[SourceItem] = []
    for number, (split, folders) in enumerate(splits.items()):
        origin = f"{attached[0][0]}, {split}" if config else split
        listing = SplitListing(place, number if split else NO_SPLIT, origin)
        for folder in folders:
            listing.add(folder, bases)
        entries += listing.items()
        findings.setdefault(number if split else NO_SPLIT, []).extend(listing.findings)
        attached += [file for file in listing.lists if file not in attached]
    findings[NO_SPLIT] += _in_several_splits(entries, tuple(splits))
    shape = config.keypoint_shape if config and place.profile != "yolov5" else ()
    described, stored = attach(attached)
    annotations = AnnotationHeader(
        LAYOUT,
        place.profile,
        object_fields=("keypoints",) if shape else (),
        polygons=not shape,
        label_files=True,
        keypoint_shape=shape,
        keypoint_names=config.keypoint_names if config and shape else (),
        keypoint_flip=config.keypoint_flip if config and shape else (),
        files=described,
    )

    def last() -> Iterator[Finding]:
        known = {file.name for file in described}
        known |= {label_name(item, place.root)[0] for item in entries}
        return chain(orphans(place, entries), other_files(place, "", known))

    return ListedSource(
        LAYOUT,
        place.boundary,
        names,
        tuple(filter(None, splits)),
        entries,
        findings,
        last,
        YoloLabels(place, YoloRules(place.profile, len(names), shape)).read,
        annotations,
        stored,
    )


@dataclass(frozen=True)
class YoloLabels:
    """Reads the label file of each photo."""

    place: Place
    rules: YoloRules

    def read(self, item: SourceItem, size: PhotoSize) -> Labelled:
        """The labels of a photo."""
        name, path = label_name(item, self.place.root)
        try:
            self.place.boundary.check(path)
            found = read_file(path, MAX_LABEL_BYTES)
        except RefusedError as refused:
            if refused.kind != "vanished":
                return damaged(name, LabelError(refused.detail))
            if os.path.islink(path):
                return damaged(name, LabelError("a link that leads nowhere"))
            return Labelled(SampleLabels(LabelState.MISSING))
        file = LabelFile(name, found.data, found.mtime_ns, 0o100000 | found.mode)
        try:
            objects, notes = read_label_text(found.data, self.rules, *size.upright)
        except LabelError as error:
            return damaged(name, error, file)
        state = LabelState.PRESENT if len(objects) else LabelState.EMPTY
        remarks = [Finding(name, Severity.NOTE, "label-remark", note) for note in notes]
        return Labelled(SampleLabels(state, objects, file=file), tuple(remarks))


def _yamls(root: str) -> list[str]:
    """The yamls of data sets directly in a folder."""
    names = sorted(name for name in os.listdir(root) if name.lower().endswith((".yaml", ".yml")))
    return [path for path in (os.path.join(root, name) for name in names) if is_yolo_yaml(path)]


def _yaml(root: str) -> str | None:
    found = _yamls(root)
    if len(found) > 1:
        raise SourceError(
            f"{root}: expected one yaml of a data set, found "
            f"{', '.join(map(os.path.basename, found))}; name the file in place of the folder"
        )
    return found[0] if found else None


def _bases(place: Place, config: YoloConfig) -> tuple[Place, list[str]]:
    """The place of the data set, and the folders that the yaml's paths may be relative to."""
    folder = os.path.dirname(config.path)
    named = [os.path.normpath(os.path.join(start, config.base)) for start in (folder, os.getcwd())]
    found = [path for path in named if config.base and os.path.isdir(path)]
    if place.file is not None:
        base = found[0] if found else folder
        # Labels lie beside the folder "images", not in it.
        root = os.path.dirname(base) if os.path.basename(base) == "images" else base
        return replace(place, root=root), list(dict.fromkeys([base, folder]))
    inside = [path for path in found if place.boundary.name(path) is not None]
    return place, list(dict.fromkeys([*inside, folder]))


def _folders(place: Place) -> dict[str, tuple[str, ...]]:
    """Split -> folders of photos, found by the names images and labels; "" for no split."""
    walk = place.walk
    below = walk.subfolders()
    if {"images", "labels"} <= set(below) and _has_texts(place, "labels"):
        inner = [name for name in walk.listable_subfolders("images") if name.lower() in SPLIT_NAMES]
        if inner and not walk.has_images("images", recursive=False):
            inner.sort(key=lambda name: (SPLIT_NAMES.index(name.lower()), name))
            return {name: (f"images/{name}",) for name in inner}
        return {"": ("images",)}
    splits = [
        name
        for name in below
        if name.lower() in SPLIT_NAMES
        and {"images", "labels"} <= set(walk.listable_subfolders(name))
        and _has_texts(place, f"{name}/labels")
    ]
    splits.sort(key=lambda name: (SPLIT_NAMES.index(name.lower()), name))
    return {name: (f"{name}/images",) for name in splits}


def _has_texts(place: Place, folder: str) -> bool:
    walk = replace(place, extensions=(".txt",)).walk
    return walk.has_images(folder)


def _class_names(place: Place, findings: list[Finding]) -> tuple[tuple[str, ...], list[SourceFile]]:
    """Class names from a file of one a line, where there is one without a yaml."""
    for name in _CLASS_FILES:
        path = os.path.join(place.root, name)
        if os.path.isfile(path):
            file = place.read(path)
            lines = file[1].decode("utf-8-sig", "surrogateescape").rstrip().splitlines()

            def note(detail: str, file_name: str = file[0]) -> None:
                findings.append(Finding(file_name, Severity.NOTE, "class-name-twice", detail))

            # A line of blanks has its number too: that of the classes behind it is not to shift.
            names = [line.strip() or f"class_{number}" for number, line in enumerate(lines)]
            return unique_names(names, note), [file]
    return (), []


def _in_several_splits(
    entries: Sequence[SourceItem], split_names: tuple[str, ...]
) -> Iterator[Finding]:
    first: dict[str, int] = {}
    for item in entries:
        split = first.setdefault(item.name, item.split)
        if split != item.split:
            yield Finding(
                item.name, Severity.NOTE, "in-several-splits",
                f"in {split_names[split]} and in {split_names[item.split]}; packed for each",
            )  # fmt: skip
