"""One COCO JSON: its images with their objects, and its categories."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import LabelError, shown
from fastload.convert.names import is_path
from fastload.convert.safe_json import load_json_bytes
from fastload.convert.sources.coco.compact import compact
from fastload.convert.sources.coco.objects import CocoRules, objects_of
from fastload.errors import SourceError
from fastload.store import Objects

__all__ = ["Category", "CocoFile", "CocoImage", "read_coco"]

_ID_LIMIT = 1 << 63
_MAX_KEYPOINTS = 1000


@dataclass(frozen=True, slots=True)
class Category:
    """A category as a file states it."""

    identity: int
    name: str
    keypoints: tuple[str, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class CocoImage:
    """An image with its annotations read.

    Attributes:
        file_name: as the file states it.
        place: in the file's list.
        identity: its id; None where ids are no integers.
        size: (height, width), where they are stated.
        objects: those that could be read.
        error: why they could not be.
        notes: remarks.
    """

    file_name: str
    place: int
    identity: int | None
    size: tuple[int, int] | None
    objects: Objects
    error: LabelError | None = None
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class CocoFile:
    """What is left of a file after its annotations were put to their images.

    Attributes:
        name: the file's.
        categories: by id.
        findings: what there is to say.
    """

    name: str
    categories: dict[int, Category]
    findings: list[Finding] = field(default_factory=list)
    _images: list[Any] = field(default_factory=list)
    _annotations: dict[Hashable, list[tuple[int, dict[Any, Any]]]] = field(default_factory=dict)

    def images(self, rules: CocoRules) -> Iterator[CocoImage]:
        """The images, once; annotations are let go as they are read."""
        seen: set[Hashable] = set()
        for place, image in enumerate(self._images):
            where = f"{self.name}, images[{place}]"
            name = image.get("file_name") if isinstance(image, dict) else None
            if not isinstance(name, str) or not is_path(name):
                self._problem(where, "label", f"expected an image with file_name: {shown(image)}")
                continue
            identity = image.get("id")
            known = isinstance(identity, (int, str))
            if not known or identity in seen:
                what = "another image has it" if known else "expected an integer"
                self._problem(where, "image-id", f"id {shown(identity)}: {what}; not packed")
                continue
            seen.add(identity)
            yield self._image(name, place, identity, image, rules)
        for identity, left in self._annotations.items():
            place, annotation = left[0]
            self._problem(
                f"{self.name}, annotations[{place}]", "label-without-photo",
                f"image_id {shown(identity)}: no such image ({len(left)} annotations, the first "
                f"has the id {shown(annotation.get('id'))})",
            )  # fmt: skip
        self._images, self._annotations = [], {}

    def _image(
        self, name: str, place: int, identity: int | str, image: dict[Any, Any], rules: CocoRules
    ) -> CocoImage:
        height, width = image.get("height"), image.get("width")
        size = (height, width) if type(height) is int and type(width) is int else None
        number = identity if isinstance(identity, int) and abs(identity) < _ID_LIMIT else None
        try:
            objects, notes = objects_of(self._annotations.pop(identity, []), rules, size)
        except LabelError as error:
            return CocoImage(name, place, number, size, Objects(), error)
        return CocoImage(name, place, number, size, objects, None, tuple(notes))

    def _problem(self, name: str, kind: str, detail: str) -> None:
        self.findings.append(Finding(name, Severity.PROBLEM, kind, detail))


def read_coco(name: str, data: bytes) -> CocoFile:
    """A COCO JSON.

    Args:
        name: for messages.
        data: its bytes.

    Raises:
        SourceError: it is none; with the line where one is known.
    """
    try:
        values = load_json_bytes(data, compact)
        if not isinstance(values, dict):
            raise LabelError(f"expected an object, found {shown(values)}")
        lists = {}
        for key in ("images", "annotations", "categories"):
            value = values.get(key, [])
            if not isinstance(value, list):
                raise LabelError(f"{key}: expected a list, found {shown(value)}")
            lists[key] = value
        categories = [_category(place, value) for place, value in enumerate(lists["categories"])]
        if len({category.identity for category in categories}) != len(categories):
            raise LabelError("categories: an id stands twice")
    except LabelError as error:
        raise SourceError(f"{name}: {error}") from None
    found = CocoFile(name, {category.identity: category for category in categories})
    found._images = lists["images"]
    for place, annotation in enumerate(lists["annotations"]):
        identity = annotation.get("image_id") if isinstance(annotation, dict) else None
        if not isinstance(identity, (int, str)):
            found._problem(
                f"{name}, annotations[{place}]", "label",
                f"expected an annotation with image_id, found {shown(annotation)}; left out",
            )  # fmt: skip
            continue
        found._annotations.setdefault(identity, []).append((place, annotation))
    return found


def _category(place: int, value: object) -> Category:
    if not isinstance(value, dict) or type(value.get("id")) is not int:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    identity, name = value["id"], value.get("name")
    if not isinstance(name, str) or abs(identity) >= _ID_LIMIT:
        raise LabelError(f"categories[{place}]: expected an id and a name, found {shown(value)}")
    keypoints = value.get("keypoints") or []
    if not isinstance(keypoints, list) or len(keypoints) > _MAX_KEYPOINTS:
        raise LabelError(f"categories[{place}]: keypoints: found {shown(keypoints)}")
    return Category(identity, name, tuple(map(str, keypoints)), _skeleton(value.get("skeleton")))


def _skeleton(value: object) -> tuple[tuple[int, int], ...]:
    """Pairs of keypoints from 0; COCO counts them from 1. A help for drawing, and no more."""
    if not isinstance(value, list):
        return ()
    pairs = [pair for pair in value if isinstance(pair, list) and len(pair) == 2]
    return tuple(
        (pair[0] - 1, pair[1] - 1)
        for pair in pairs
        if all(type(end) is int and 0 < end <= _MAX_KEYPOINTS for end in pair)
    )
