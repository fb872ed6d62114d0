"""Opening a COCO data set."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from fastload.convert.findings import Finding, Severity
from fastload.convert.frame import coordinates_of
from fastload.convert.garbage import no_collections
from fastload.convert.labelled import LabelError, Labelled, PhotoSize, damaged
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.class_names import unique_names
from fastload.convert.sources.coco.discover import annotation_files, looks_like_coco, split_of
from fastload.convert.sources.coco.file import Category, CocoFile, CocoImage, read_coco
from fastload.convert.sources.coco.objects import CocoRules
from fastload.convert.sources.listed import ListedSource
from fastload.convert.sources.place import Place, SourceFile
from fastload.convert.sources.unlisted_photos import unlisted_photos
from fastload.errors import SourceError
from fastload.store import NO_SPLIT, AnnotationHeader, LabelState, SampleLabels, attach

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
    attached = [place.read(path) for path in paths.values()]
    with no_collections():
        return _open(place, paths, attached, findings)


def _open(
    place: Place,
    paths: dict[str, str],
    attached: list[SourceFile],
    findings: dict[int, list[Finding]],
) -> ListedSource:
    files = [read_coco(name, data) for name, data, _mtime_ns, _mode in attached]
    categories = _categories(files)
    rules = CocoRules(
        {category.identity: number for number, category in enumerate(categories)},
        max((len(category.keypoints) for category in categories), default=0),
    )
    labels: list[CocoImage] = []
    entries: list[SourceItem] = []
    names: list[str] = []
    for number, (split, path) in enumerate(paths.items()):
        split_id = number if split else NO_SPLIT
        listed = _List(place, path, split, split_id, files[number].name)
        entries += listed.items(files[number], rules, labels)
        findings.setdefault(split_id, []).extend(files[number].findings + listed.findings)
        names += [files[number].name] * (len(labels) - len(names))
    keypoints = max((category.keypoints for category in categories), key=len, default=())
    described, stored = attach(attached)
    has_ids = all(image.identity is not None for image in labels)
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
    return ListedSource(
        LAYOUT,
        place.boundary,
        class_names,
        tuple(filter(None, paths)),
        entries,
        findings,
        partial(unlisted_photos, place, entries),
        CocoLabels(labels, names, has_ids).read,
        annotations,
        stored,
    )


@dataclass(frozen=True)
class CocoLabels:
    """Gives each photo its labels; ``key`` of an item counts in ``images``."""

    images: Sequence[CocoImage]
    files: Sequence[str]
    has_ids: bool

    def read(self, item: SourceItem, size: PhotoSize) -> Labelled:
        """The labels of a photo."""
        image, file = self.images[item.key], self.files[item.key]
        image_id = image.identity if self.has_ids and image.identity is not None else 0
        if image.error is not None:
            return damaged(file, image.error, image_id=image_id)
        upright, remark = coordinates_of(image.size, size)
        notes = [*image.notes, *([f"images[{image.place}]: {remark}"] if remark else [])]
        pixels = size.height * size.width
        if any(len(runs) and int(runs.sum()) != pixels for runs in image.objects.masks):
            error = LabelError(f"images[{image.place}]: masks of another size than the photo's")
            return damaged(file, error, image_id=image_id)
        state = LabelState.PRESENT if len(image.objects) else LabelState.EMPTY
        remarks = [Finding(file, Severity.NOTE, "label-remark", note) for note in notes]
        labels = SampleLabels(state, image.objects, upright, image_id)
        return Labelled(labels, tuple(remarks))


class _List:
    """The photos of one file."""

    def __init__(self, place: Place, path: str, split: str, split_id: int, name: str) -> None:
        self._place = place
        self._path = path
        self._split = split
        self._split_id = split_id
        self._name = name
        self.findings: list[Finding] = []

    def items(self, file: CocoFile, rules: CocoRules, labels: list[CocoImage]) -> list[SourceItem]:
        images = list(file.images(rules))
        folder = self._folder(images)
        items: dict[str, SourceItem] = {}
        for image in images:
            origin = f"{self._name}, images[{image.place}]"
            name = self._place.boundary.name(os.path.join(folder, image.file_name))
            if name is None:
                self._problem(origin, "path-out", f"{image.file_name!a} leads out of the data set")
            elif name in items:
                self._problem(origin, "listed-twice", f"{name!a}: {items[name].origin} has it too; "
                              "packed once, with that one's annotations")  # fmt: skip
            else:
                items[name] = SourceItem(name, split=self._split_id, key=len(labels), origin=origin)
                labels.append(image)
        return list(items.values())

    def _folder(self, images: Sequence[CocoImage]) -> str:
        """The folder that file names are relative to: the first in which one of them is."""
        root, beside = self._place.root, os.path.dirname(self._path)
        split = self._split or split_of(self._path)
        starts = [beside, os.path.join(beside, split), os.path.join(root, split), root,
                  os.path.join(root, "images"), os.path.join(root, "images", split),
                  os.path.join(root, split, "images")]  # fmt: skip
        for start in dict.fromkeys(map(os.path.normpath, starts)):
            if any(os.path.lexists(os.path.join(start, image.file_name))
                   for image in images[:_LOOKED_AT]):  # fmt: skip
                return start
        return root

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
