"""The XML of one photo."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from fastload.convert.labelled import MAX_COORDINATE, LabelError, shown
from fastload.convert.safe_xml import Element, load_xml
from fastload.store import Objects

__all__ = ["FLAGS", "Annotation", "class_names_in", "read_annotation"]

FLAGS = ("difficult", "truncated", "occluded")
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "", "false", "no", "unspecified"})


#: A name as programs write it: with nothing in it that XML, or an encoding, reads otherwise.
_PLAIN_NAME = re.compile(rb"<name>([ -%'-;=-~]{1,200})</name>")


def class_names_in(data: bytes, known: set[str] | frozenset[str] = frozenset()) -> set[str]:
    """The names of all objects; may be none where all of them are ``known``, without parsing.

    Raises:
        LabelError: the XML cannot be read.
    """
    plain = _PLAIN_NAME.findall(data)
    # Encodings in which bytes like these are other characters have zeros, or no such bytes.
    is_plain = plain and len(plain) == data.count(b"<name") and b"\0" not in data
    if is_plain and known.issuperset(name.decode().strip() for name in set(plain)):
        return set()
    return {_name(element) for element in _root(data).all("object")}


@dataclass(frozen=True, slots=True)
class Annotation:
    """What the XML of a photo says.

    Attributes:
        objects: without masks.
        size: (height, width), where it states them.
        is_segmented: pictures of its objects go with it; None: it does not say.
    """

    objects: Objects
    size: tuple[int, int] | None
    is_segmented: bool | None


def read_annotation(data: bytes, class_ids: Mapping[str, int]) -> Annotation:
    """An XML's contents.

    VOC counts pixels from 1, and its box holds the last one too: ``xmin`` 1 and ``xmax`` 640 are
    the whole of 640 pixels, 0 to 640.

    Raises:
        LabelError: it cannot be read; with the line.
    """
    root = _root(data)
    classes, boxes = [], []
    fields: dict[str, list[int]] = {name: [] for name in FLAGS}
    for element in root.all("object"):
        name = _name(element)
        if name not in class_ids:
            raise LabelError(f"no such class: {shown(name)}", element.line)
        classes.append(class_ids[name])
        boxes.append(_box(element))
        for flag in FLAGS:
            fields[flag].append(_flag(element, flag))
    objects = Objects.of(classes, boxes, fields=fields if classes else None)
    is_segmented = None if root.one("segmented") is None else bool(_flag(root, "segmented"))
    return Annotation(objects, _size(root), is_segmented)


def _root(data: bytes) -> Element:
    root = load_xml(data)
    if root.name != "annotation":
        raise LabelError(f"expected <annotation>, found <{root.name[:80]}>", root.line)
    return root


def _name(element: Element) -> str:
    found = element.one("name")
    if found is None or not found.text.strip():
        raise LabelError("an object without a name", element.line)
    return found.text.strip()


def _box(element: Element) -> tuple[float, float, float, float]:
    box = element.one("bndbox")
    if box is None:
        raise LabelError("an object without a bndbox", element.line)
    left, top, right, bottom = (_number(box, side) for side in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise LabelError(
            f"expected xmin <= xmax and ymin <= ymax, found {left:g} {top:g} {right:g} {bottom:g}",
            box.line,
        )
    return left - 1, top - 1, right, bottom


def _number(parent: Element, name: str) -> float:
    element = parent.one(name)
    try:
        value = float("" if element is None else element.text)
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_COORDINATE:
        line, found = (parent.line, None) if element is None else (element.line, element.text)
        raise LabelError(f"{name}: expected a number, found {shown(found)}", line)
    return value


def _flag(element: Element, name: str) -> int:
    found = element.one(name)
    text = "" if found is None else found.text.strip().lower()
    if text in _TRUE or text in _FALSE:
        return int(text in _TRUE)
    raise LabelError(f"{name}: expected 0 or 1, found {shown(text)}", element.line)


def _size(root: Element) -> tuple[int, int] | None:
    size = root.one("size")
    if size is None:
        return None
    height, width = _number(size, "height"), _number(size, "width")
    return (int(height), int(width)) if height > 0 and width > 0 else None
