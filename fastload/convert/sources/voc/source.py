"""Opening a Pascal VOC data set, of one year or several."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from fastload.convert.findings import Finding, Severity
from fastload.convert.frame import coordinates_of
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged
from fastload.convert.names import is_path
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.other_files import other_files
from fastload.convert.sources.place import Place, SourceFile
from fastload.convert.sources.unlisted_photos import unlisted_photos
from fastload.convert.sources.voc.annotation import FLAGS, class_names_in, read_annotation
from fastload.convert.sources.voc.instance_masks import instance_masks
from fastload.convert.sources.voc.label_file import PHOTOS, label_name, read_label_file, strays
from fastload.convert.sources.voc.segmentation import ENDING, Segmentation
from fastload.convert.walk import join
from fastload.store import (
    NO_SPLIT,
    AnnotationHeader,
    LabelFile,
    LabelState,
    Objects,
    SampleLabels,
    attach,
    bundle,
)

__all__ = ["open_voc", "probe_voc"]

LAYOUT = "voc"
_SPLITS = ("train", "val", "trainval", "test")
_LABELS, _LISTS, _XML = "Annotations", "ImageSets/Main", ".xml"
#: Lists of the photos that are segmented: kept, and not followed.
_SEGMENTED_LISTS = "ImageSets/Segmentation"
_CLASS_FILES = ("classes.txt", "labels.txt")


def probe_voc(place: Place) -> bool:
    """Whether there are JPEGImages and Annotations, in the folder or in those of years."""
    return place.file is None and bool(_years(place))


def open_voc(place: Place) -> ListedSource:
    """All years together; a split holds what every year's list of its name holds."""
    years = _years(place)
    listing = _Listing(place, Segmentation(place, years))
    for year in years:
        listing.add(year)
    splits = [name for name in _SPLITS if name in listing.found]
    entries: list[SourceItem] = []
    for number, split in enumerate(splits or [""]):
        names = listing.found.get(split, {})
        entries += [
            SourceItem(name, split=number if split else NO_SPLIT, origin=origin)
            for name, origin in names.items()
        ]
    class_names, class_files = _class_names(place, entries)
    described, stored = attach([*class_files, *listing.files])
    annotations = AnnotationHeader(
        LAYOUT,
        object_fields=FLAGS,
        masks=listing.segmentation.has_objects,
        label_files=True,
        files=described,
    )
    class_ids = {name: number for number, name in enumerate(class_names)}

    def last() -> Iterator[Finding]:
        known = {file.name for file in described}
        others = (other_files(place, folder, known) for folder in dict.fromkeys(("", *years)))
        return chain(unlisted_photos(place, entries), listing.orphans(), *others)

    return ListedSource(
        LAYOUT,
        place.boundary,
        class_names,
        tuple(splits),
        entries,
        {NO_SPLIT: listing.findings},
        last,
        VocLabels(place, class_ids, listing.segmentation).read,
        annotations,
        stored,
    )


@dataclass(frozen=True)
class VocLabels:
    """Reads the XML of each photo, and its segmentation pictures."""

    place: Place
    class_ids: Mapping[str, int]
    segmentation: Segmentation

    def read(self, item: SourceItem, size: PhotoSize) -> Labelled:
        """The labels of a photo."""
        name = _xml_name(item.name)
        try:
            pictures, masks = self.segmentation.read(item.name)
            file = read_label_file(self.place, name)
        except LabelError as error:
            return damaged(name, error)
        kept = bundle([*([] if file is None else [file]), *pictures])
        if file is None:
            return Labelled(SampleLabels(LabelState.MISSING, file=kept))
        try:
            found = read_annotation(file.text, self.class_ids)
        except LabelError as error:
            return damaged(name, error, kept)
        objects = found.objects
        upright, remark = coordinates_of(found.size, size)
        remarks = [Finding(name, Severity.NOTE, "label-remark", remark)] if remark else []
        if masks is not None and found.is_segmented is False:
            detail = f"segmented is 0: the masks in {masks.name} are not read"
            remarks.append(Finding(name, Severity.NOTE, "label-remark", detail))
        elif masks is not None:
            frame = size.upright if upright else (size.height, size.width)
            try:
                objects = _with_masks(objects, masks, frame)
            except LabelError as error:
                return damaged(masks.name, error, kept)
        state = LabelState.PRESENT if len(objects) else LabelState.EMPTY
        return Labelled(SampleLabels(state, objects, upright, file=kept), tuple(remarks))


def _with_masks(objects: Objects, file: LabelFile, size: tuple[int, int]) -> Objects:
    runs = instance_masks(file.text, len(objects), size)
    counts = np.array([len(one) for one in runs], np.uint32)
    return replace(objects, run_counts=counts, runs=np.concatenate([objects.runs, *runs]))


class _Listing:
    """The photos of each split, and what they were listed from."""

    def __init__(self, place: Place, segmentation: Segmentation) -> None:
        self._place = place
        self.segmentation = segmentation
        self._years: dict[str, dict[str, str]] = {}
        self.found: dict[str, dict[str, str]] = {}  # split -> name -> origin
        self.findings = list(segmentation.findings())
        self.files: list[SourceFile] = []

    def add(self, year: str) -> None:
        """The photos of a year's folder."""
        photos = self._photos(join(year, PHOTOS))
        self._years[year] = photos
        self._keep_lists(year)
        lists = {name: join(year, f"{_LISTS}/{name}.txt") for name in _SPLITS}
        there = {name: path for name, path in lists.items()
                 if os.path.isfile(os.path.join(self._place.root, path))}  # fmt: skip
        if not there:
            self.found.setdefault("", {}).update(dict.fromkeys(photos.values(), ""))
            return
        for split, path in there.items():
            file = self._place.read(os.path.join(self._place.root, path))
            self.files.append(file)
            if split == "trainval" and {"train", "val"} <= set(there):
                continue  # the two together
            self._add_list(self.found.setdefault(split, {}), file, year, photos)

    def _keep_lists(self, year: str) -> None:
        """Those that nothing is read from."""
        for split in _SPLITS:
            path = os.path.join(self._place.root, join(year, f"{_SEGMENTED_LISTS}/{split}.txt"))
            if os.path.isfile(path):
                self.files.append(self._place.read(path))

    def _add_list(
        self, found: dict[str, str], file: SourceFile, year: str, photos: Mapping[str, str]
    ) -> None:
        lines = file[1].decode("utf-8-sig", "surrogateescape").splitlines()
        for number, line in enumerate(lines, start=1):
            stem, origin = line.strip(), f"{file[0]}, line {number}"
            if not stem:
                continue
            name = photos.get(stem, join(year, f"{PHOTOS}/{stem}.jpg"))
            if not is_path(stem) or "/" in stem:
                self._note(origin, Severity.PROBLEM, "unsafe-name", f"no name of a photo: {stem!a}")
            elif name in found:
                self._note(name, Severity.NOTE, "listed-twice", f"{origin}: packed once")
            else:
                found[name] = origin

    def _photos(self, folder: str) -> dict[str, str]:
        """Stem -> name of the photos in a folder."""
        found: dict[str, str] = {}
        for name in self._place.walk.files(folder):
            if isinstance(name, Finding):
                self.findings.append(name)
                continue
            stem = os.path.splitext(os.path.basename(name))[0]
            if found.setdefault(stem, name) != name:
                self._note(name, Severity.PROBLEM, "two-photos-one-label",
                           f"{found[stem]!a} has the same label file; not packed")  # fmt: skip
        return found

    def orphans(self) -> Iterator[Finding]:
        """A problem for each XML, and each segmentation picture, without a photo."""
        for year, photos in self._years.items():
            yield from strays(self._place, join(year, _LABELS), _XML, photos)
            for folder in self.segmentation.folders:
                if folder.rpartition("/")[0] == year:
                    yield from strays(self._place, folder, ENDING, photos)

    def _note(self, name: str, severity: Severity, kind: str, detail: str) -> None:
        self.findings.append(Finding(name, severity, kind, detail))


def _years(place: Place) -> list[str]:
    """The folders, relative to the root, that have photos and labels in VOC's folders."""
    walk = place.walk
    below = walk.subfolders()
    inner = [f"VOCdevkit/{name}" for name in walk.listable_subfolders("VOCdevkit")] \
        if "VOCdevkit" in below else []  # fmt: skip
    return [
        folder
        for folder in ("", *below, *inner)
        if {PHOTOS, _LABELS} <= set(walk.listable_subfolders(folder))
    ]


def _xml_name(photo: str) -> str:
    return label_name(photo, _LABELS, _XML)


def _class_names(
    place: Place, entries: Sequence[SourceItem]
) -> tuple[tuple[str, ...], list[SourceFile]]:
    """From a file of one a line, or else all that the XMLs name, sorted."""
    for base in _CLASS_FILES:
        if os.path.isfile(os.path.join(place.root, base)):
            file = place.read(os.path.join(place.root, base))
            lines = file[1].decode("utf-8-sig", "surrogateescape").splitlines()
            return tuple(dict.fromkeys(line.strip() for line in lines if line.strip())), [file]
    found: set[str] = set()
    for name in dict.fromkeys(_xml_name(item.name) for item in entries):
        try:
            file_found = read_label_file(place, name)
            found |= class_names_in(file_found.text, found) if file_found is not None else set()
        except LabelError:
            continue  # said when the photo is packed
    return tuple(sorted(found)), []
