"""What a store says about its labels as a whole: where they came from, and what they have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any

from fastload.errors import StoreFormatError
from fastload.store.columns import MAX_COLUMN_BYTES

__all__ = ["OPTIONAL_FIELDS", "AnnotationHeader", "AttachedFile", "annotation_header_from_json"]

#: Facts about objects that only some kinds of labels state; each is a column ``objects.<name>``.
OPTIONAL_FIELDS = ("crowd", "difficult", "truncated", "occluded", "id", "area", "keypoints")

_MAX_KEYPOINTS = 10_000
_COUNT_LIMIT = 1 << 63


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file of the source that belongs to no single photo, such as a yaml or a COCO JSON.

    Attributes:
        name: relative path with "/", as sample names are.
        size: bytes.
        stored_size: bytes in the column ``files.bytes``; fewer than ``size``: a zlib stream.
        mtime_ns: time of its last change, ns since 1970.
        mode: its ``st_mode``.
        content_hash: XXH3-128 of its bytes, 32 hex digits.
    """

    name: str
    size: int
    stored_size: int
    mtime_ns: int
    mode: int
    content_hash: str


@dataclass(frozen=True, slots=True)
class AnnotationHeader:
    """What is known of a store's labels before its first photo.

    Attributes:
        layout: what they were read from: "yolo", "coco", "voc", ...
        profile: whose rules for doubtful labels were followed, or "".
        objects: samples have labels of objects; False: there are files, and nothing else.
        object_fields: those of ``OPTIONAL_FIELDS`` that objects have.
        polygons: objects may have polygons.
        masks: objects may have run-length masks.
        image_ids: samples have ids of their own.
        label_files: samples may have a label file each, or several, kept byte for byte.
        keypoint_shape: (keypoints an object, 2 or 3 numbers each), or () without keypoints.
        keypoint_names: in their order, or ().
        keypoint_flip: the keypoint that each becomes in a mirrored picture, or ().
        skeleton: pairs of keypoints (from 0) to draw lines between.
        category_ids: the source's own id of each class, or () where class ids are all there is.
        files: kept byte for byte.
    """

    layout: str
    profile: str = ""
    objects: bool = True
    object_fields: tuple[str, ...] = ()
    polygons: bool = False
    masks: bool = False
    image_ids: bool = False
    label_files: bool = False
    keypoint_shape: tuple[int, ...] = ()
    keypoint_names: tuple[str, ...] = ()
    keypoint_flip: tuple[int, ...] = ()
    skeleton: tuple[tuple[int, int], ...] = ()
    category_ids: tuple[int, ...] = ()
    files: tuple[AttachedFile, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.object_fields) - set(OPTIONAL_FIELDS)
        if unknown or len(set(self.object_fields)) != len(self.object_fields):
            raise ValueError(
                f"object_fields: expected some of {OPTIONAL_FIELDS}, found {self.object_fields}"
            )
        if ("keypoints" in self.object_fields) != bool(self.keypoint_shape):
            raise ValueError("keypoint_shape: expected it together with the field 'keypoints'")
        if self.keypoint_shape:
            count, dimensions = self.keypoint_shape
            if not 1 <= count <= _MAX_KEYPOINTS or dimensions not in (2, 3):
                raise ValueError(
                    f"keypoint_shape: expected (1..{_MAX_KEYPOINTS}, 2 or 3), "
                    f"found {self.keypoint_shape}"
                )
        if sum(file.stored_size for file in self.files) > MAX_COLUMN_BYTES:
            raise ValueError(f"files: expected at most {MAX_COLUMN_BYTES} bytes in all")
        for file in self.files:
            # Deflate expands a byte to 1032 at most.
            if not file.stored_size <= file.size <= 1032 * file.stored_size + 1032:
                raise ValueError(f"{file.name!r}: {file.stored_size} bytes cannot be {file.size}")


def annotation_header_from_json(value: object, where: str) -> AnnotationHeader:
    """The member ``annotations`` of a header.

    Raises:
        StoreFormatError: for anything but what ``dataclasses.asdict`` gives of one.
    """
    try:
        checked = _members(value, AnnotationHeader)
        checked["files"] = tuple(
            AttachedFile(**_members(file, AttachedFile)) for file in checked["files"]
        )
        checked["skeleton"] = tuple(
            (_integer(one), _integer(other)) for one, other in checked["skeleton"]
        )
        return AnnotationHeader(**checked)
    except (ValueError, TypeError) as error:
        raise StoreFormatError(f"{where}: annotations that cannot be: {error}"[:500]) from error


def _members(value: object, kind: type[Any]) -> dict[str, Any]:
    names = [member.name for member in fields(kind)]
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ValueError(f"expected an object with {', '.join(names)}, found {value!r:.80}")
    return {member.name: _FITS[str(member.type)](value[member.name]) for member in fields(kind)}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {value!r:.80}")
    return value


def _integer(value: object) -> int:
    if type(value) is not int or not -_COUNT_LIMIT <= value < _COUNT_LIMIT:
        raise ValueError(f"expected an integer of 64 bits, found {value!r:.80}")
    return value


def _count(value: object) -> int:
    if _integer(value) < 0:
        raise ValueError(f"expected a count, found {value!r:.80}")
    return _integer(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {value!r:.80}")
    return value


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"expected a list, found {value!r:.80}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _integers(value: object) -> tuple[int, ...]:
    return tuple(map(_integer, _list(value)))


#: By the annotation's text: a field of a new type must say here how it is checked.
_FITS: dict[str, Callable[[Any], Any]] = {
    "str": _text,
    "bool": _truth,
    "int": _integer,
    "tuple[str, ...]": _texts,
    "tuple[int, ...]": _integers,
    "tuple[tuple[int, int], ...]": lambda value: tuple(map(_list, _list(value))),
    "tuple[AttachedFile, ...]": lambda value: tuple(_list(value)),
}


def annotation_header_to_json(header: AnnotationHeader) -> dict[str, Any]:
    """What ``annotation_header_from_json`` reads."""
    return asdict(header)
