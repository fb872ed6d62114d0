"""Opening a COCO data set."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from fastload.convert.findings import Finding, Severity
from fastload.convert.frame import coordinates_of
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.class_names import unique_names
from fastload.convert.sources.coco.category import Category
from fastload.convert.sources.coco.discover import annotation_files, looks_like_coco, split_of
from fastload.convert.sources.coco.file import CocoFile, CocoImage, read_coco
from fastload.convert.sources.coco.objects import CocoRules, objects_of
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.other_files import other_files
from fastload.convert.sources.place import Place
from fastload.convert.sources.unlisted_photos import unlisted_photos
from fastload.errors import SourceError
from fastload.store import NO_SPLIT, AnnotationHeader, LabelState, SampleLabels

__all__ = ["open_coco", "probe_coco"]

LAYOUT = "coco"
_LOOKED_AT = 20  # images, to find their folder


def probe_coco(place: Place) -> bool:
    """Whether there is a JSON that looks like COCO's."""
    if place.file is not None:
        return looks_like_coco(place.file)
    return bool(annotation_files(place.root, []))


def open_coco(place: Place) -> ListedSource:
    """The data set of one file, or of all that lie where COCO's do."""
    findings: dict[int, list[Finding]] = {NO_SPLIT: []}
    if place.file is not None:
        paths = {"": place.file}
        folder = os.path.dirname(place.file)
        up = os.path.basename(folder) == "annotations"
        place = replace(place, root=os.path.dirname(folder) if up else folder)
    else:
        paths = annotation_files(place.root, findings[NO_SPLIT])
    if not paths:
        raise SourceError(f"{place.root}: expected a COCO JSON in it or in annotations/")
    files, described, stored = zip(
        *(read_coco(place, path) for path in paths.values()), strict=True
    )
    categories = _categories(files)
    rules = CocoRules(
        {category.identity: number for number, category in enumerate(categories)},
        {category.identity: len(category.keypoints) for category in categories},
        max((len(category.keypoints) for category in categories), default=0),
    )
    labels: list[tuple[CocoFile, CocoImage]] = []
    entries: list[SourceItem] = []
    for number, (split, path) in enumerate(paths.items()):
        split_id = number if split else NO_SPLIT
        listed = _List(place, path, split, split_id, files[number].name)
        entries += listed.items(files[number], labels)
        findings.setdefault(split_id, []).extend(files[number].findings + listed.findings)
    keypoints = max((category.keypoints for category in categories), key=len, default=())
    has_ids = all(image.identity is not None for _, image in labels)
    annotations = AnnotationHeader(
        LAYOUT,
        object_fields=("crowd", "id", "area", *(["keypoints"] if rules.keypoint_count else [])),
        polygons=True,
        masks=True,
        image_ids=has_ids,
        keypoint_shape=(rules.keypoint_count, 3) if rules.keypoint_count else (),
        keypoint_names=keypoints,
        skeleton=next((c.skeleton for c in categories if c.keypoints == keypoints), ()),
        category_ids=tuple(category.identity for category in categories),
        files=described,
    )
    class_names = unique_names(
        [category.name for category in categories],
        lambda detail: findings[NO_SPLIT].append(
            Finding(files[0].name, Severity.NOTE, "class-name-twice", detail)
        ),
    )
    known = {file.name for file in (*files, *findings[NO_SPLIT])}

    def last() -> Iterator[Finding]:
        yield from unlisted_photos(place, entries)
        folders = ["", "annotations"]
        if place.file is not None:  # beside it, others may lie that have nothing to do with it
            folders = [""] if os.path.dirname(place.file) != place.root else []
        for folder in folders:
            if os.path.isdir(os.path.join(place.root, folder)):
                yield from map(_other, other_files(place, folder, known))

    return ListedSource(
        LAYOUT,
        place.boundary,
        class_names,
        tuple(filter(None, paths)),
        entries,
        findings,
        last,
        CocoLabels(labels, rules, has_ids).read,
        annotations,
        b"".join(stored),
    )


def _other(finding: Finding) -> Finding:
    if not finding.name.lower().endswith(".json"):
        return finding
    return replace(finding, detail="no COCO JSON of boxes, by its name and its beginning")


@dataclass(frozen=True)
class CocoLabels:
    """Gives each photo its labels; ``key`` of an item counts in ``images``."""

    images: Sequence[tuple[CocoFile, CocoImage]]
    rules: CocoRules
    has_ids: bool

    def read(self, item: SourceItem, size: PhotoSize) -> Labelled:
        """The labels of a photo, read from the file, which must be as it was."""
        file, image = self.images[item.key]
        image_id = image.identity if self.has_ids and image.identity is not None else 0
        try:
            objects, notes = objects_of(file.annotations(image.number), self.rules, image.size)
        except LabelError as error:
            return damaged(file.name, error, image_id=image_id)
        upright, remark = coordinates_of(image.size, size)
        notes += [f"images[{image.place}]: {remark}"] if remark else []
        pixels = size.height * size.width
        masks = objects.masks if len(objects.runs) else []
        if any(len(runs) and int(runs.sum()) != pixels for runs in masks):
            other = LabelError(f"images[{image.place}]: masks of another size than the photo's")
            return damaged(file.name, other, image_id=image_id)
        state = LabelState.PRESENT if len(objects) else LabelState.EMPTY
        remarks = [Finding(file.name, Severity.NOTE, "label-remark", note) for note in notes]
        return Labelled(SampleLabels(state, objects, upright, image_id), tuple(remarks))


class _List:
    """The photos of one file."""

    def __init__(self, place: Place, path: str, split: str, split_id: int, name: str) -> None:
        self._place = place
        self._path = path
        self._split = split
        self._split_id = split_id
        self._name = name
        self.findings: list[Finding] = []

    def items(self, file: CocoFile, labels: list[tuple[CocoFile, CocoImage]]) -> list[SourceItem]:
        folder = self._folder(file.images)
        items: dict[str, SourceItem] = {}
        for image in file.images:
            origin = f"{self._name}, images[{image.place}]"
            name = self._place.boundary.name(os.path.join(folder, image.file_name))
            if name is None:
                self._problem(origin, "path-out", f"{image.file_name!a} leads out of the data set")
            elif name in items:
                self._problem(origin, "listed-twice", f"{name!a}: {items[name].origin} has it too; "
                              "packed once, with that one's annotations")  # fmt: skip
            else:
                items[name] = SourceItem(name, split=self._split_id, key=len(labels), origin=origin)
                labels.append((file, image))
        return list(items.values())

    def _folder(self, images: Sequence[CocoImage]) -> str:
        """The folder that file names are relative to: the first in which most of them are."""
        root, beside = self._place.root, os.path.dirname(self._path)
        split = self._split or split_of(self._path)
        starts = [beside, os.path.join(beside, split), os.path.join(root, split), root,
                  os.path.join(root, "images"), os.path.join(root, "images", split),
                  os.path.join(root, split, "images")]  # fmt: skip

        def count(start: str) -> int:
            names = (image.file_name for image in images[:_LOOKED_AT])
            return sum(os.path.isfile(os.path.join(start, name)) for name in names)

        # One name alone says little: an absolute one is in all of them.
        return max(dict.fromkeys(map(os.path.normpath, [*starts, root])), key=count)

    def _problem(self, name: str, kind: str, detail: str) -> None:
        self.findings.append(Finding(name, Severity.PROBLEM, kind, detail))


def _categories(files: Sequence[CocoFile]) -> list[Category]:
    """All files' categories, sorted by id.

    Raises:
        SourceError: an id means something else in another file.
    """
    found: dict[int, tuple[Category, str]] = {}
    for file in files:
        for identity, category in file.categories.items():
            other, name = found.setdefault(identity, (category, file.name))
            if other.name != category.name:
                raise SourceError(
                    f"{file.name}: category {identity} is {category.name!r}, in {name} it is "
                    f"{other.name!r}; pack the files one by one"
                )
    return [found[identity][0] for identity in sorted(found)]
