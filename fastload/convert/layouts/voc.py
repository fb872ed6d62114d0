"""Labels as Pascal VOC writes them: an XML a photo, and a list a split."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree as ET

import numpy as np

from fastload.convert.layouts.base import Converted, StoreLabels, class_name
from fastload.convert.layouts.naming import Naming
from fastload.convert.layouts.spool import Spool
from fastload.convert.originals import reduced_photos
from fastload.convert.roles import role_of
from fastload.store import LabelState, Objects

__all__ = ["VocWriter"]

#: What XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FLAGS = ("difficult", "truncated", "occluded")
_LISTS = {"train", "val", "trainval", "test"}
#: Folders of them; their pixels count objects in the order of the XML, which stays.
_PICTURES = {"SegmentationObject", "SegmentationClass"}


class VocWriter:
    """``JPEGImages/*``, ``Annotations/*.xml``, ``ImageSets/Main/<split>.txt`` and ``classes.txt``.

    Segmentation pictures that were packed with photos of VOC go with them, as they are.

    VOC counts pixels from 1 and its boxes hold the last one. Parts of pixels are kept: numbers are
    written so that the same float64 comes back.
    """

    def __init__(self, labels: StoreLabels, _spool: Spool) -> None:
        self._labels = labels
        self._naming = Naming(labels, flat=True)
        plain = map(_plain, labels.class_names)
        self._reduced = reduced_photos(labels.store)
        self._class_names = tuple(name or f"class {number}" for number, name in enumerate(plain))

    def photo_name(self, index: int) -> str:
        """In the one folder."""
        return f"JPEGImages/{self._naming[index]}"

    def convert(self, index: int) -> Converted:
        """The XML of a photo; none where nothing is known of it."""
        labels = self._labels.annotations[index]
        stem = os.path.splitext(self._naming[index])[0]
        pictures = self._pictures(index, stem)
        if labels.state not in (LabelState.PRESENT, LabelState.EMPTY):
            return Converted(tuple(pictures))
        size = self._labels.size(index)
        height, width = size.upright if labels.upright else (size.height, size.width)
        lost = self._losses(labels.objects, has_pictures=bool(pictures))
        root = ET.Element("annotation")
        _add(root, "folder", "JPEGImages")
        _add(root, "filename", _plain(self._naming[index]))
        stated = ET.SubElement(root, "size")
        for name, value in (("width", width), ("height", height), ("depth", 3)):
            _add(stated, name, str(value))
        _add(root, "segmented", str(int(bool(pictures and len(labels.objects.runs)))))
        self._add_objects(root, labels.objects, lost)
        ET.indent(root, "\t")
        text = ET.tostring(root, "utf-8") + b"\n"
        return Converted(((f"Annotations/{stem}.xml", text), *pictures), +lost)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The lists of the splits, and of the classes in the order of their ids."""
        stems: dict[str, list[str]] = {}
        for index in range(len(self._labels)):
            stem = os.path.splitext(self._naming[index])[0]
            stems.setdefault(self._labels.split(index), []).append(stem)
        for split, found in stems.items():
            if split:
                text = "".join(f"{stem}\n" for stem in found)
                name = self._list_name(split)
                yield f"ImageSets/Main/{name}.txt", text.encode("utf-8", "surrogateescape")
        unnamed = [f"class {class_id}" for class_id in self._labels.unnamed_classes()]
        names = "".join(f"{name}\n" for name in (*self._class_names, *unnamed))
        yield "classes.txt", names.encode()

    def lost(self) -> Counter[str]:
        """What VOC has no place for."""
        labels = self._labels
        found: Counter[str] = Counter()
        for name in ("area", "id"):
            if name in labels.header.object_fields:
                found[f"numbers '{name}'"] = len(labels.annotations.class_ids)
        if labels.header.image_ids:
            found["image ids"] = len(labels)
        if labels.header.category_ids:
            found["category ids"] = len(labels.header.category_ids)
        changed = zip(self._class_names, labels.class_names, strict=True)
        found["class names that XML or a line cannot hold: changed"] = sum(
            one != other for one, other in changed
        )
        repeated = len(self._class_names) - len(set(self._class_names))
        found["classes of one name: merged"] = repeated
        found["photos renamed, since two had one label file"] = self._naming.renamed
        found["class ids without a name: named"] = len(labels.unnamed_classes())
        for split in labels.split_names:
            if split and self._list_name(split) not in _LISTS:
                found[f"splits that VOC does not know ({split!a})"] += 1
        return +found

    def _list_name(self, split: str) -> str:
        """The list of a split: that of "train2017" is "train", unless there is another "train"."""
        role = role_of(split)
        taken = [role_of(other) for other in self._labels.split_names].count(role)
        name = {"valid": "val", "validation": "val", "training": "train", "testing": "test"}
        return name.get(role, role) if taken == 1 else split

    def _pictures(self, index: int, stem: str) -> list[tuple[str, bytes]]:
        """The segmentation pictures of a photo; none where it was reduced, as they were not."""
        files = () if self._reduced[index] else self._labels.store.label_files(index)
        found = [(file.name.rpartition("/")[0].rpartition("/")[2], file) for file in files]
        return [(f"{kind}/{stem}.png", file.text) for kind, file in found if kind in _PICTURES]

    def _losses(self, objects: Objects, *, has_pictures: bool) -> Counter[str]:
        crowd = int(np.count_nonzero(self._labels.truth(objects, "crowd")))
        lost = Counter({"crowds: written as difficult": crowd})
        if objects.polygon_counts is not None:
            lost["polygons"] = int(np.count_nonzero(objects.polygon_counts))
        if objects.run_counts is not None and not has_pictures:
            lost["masks"] = int(np.count_nonzero(objects.run_counts))
        if "keypoints" in objects.fields:
            lost["objects' keypoints"] = len(objects)
        return lost

    def _add_objects(self, root: ET.Element, objects: Objects, lost: Counter[str]) -> None:
        flags = {name: self._labels.truth(objects, name) for name in _FLAGS}
        flags["difficult"] = flags["difficult"] | self._labels.truth(objects, "crowd")
        for place, box in enumerate(objects.boxes.tolist()):
            left, top, right, bottom = box
            if right < left + 1 or bottom < top + 1:
                lost["boxes of less than a pixel: left out"] += 1
                continue
            element = ET.SubElement(root, "object")
            class_id = int(objects.class_ids[place])
            _add(element, "name", class_name(self._class_names, class_id))
            for name, values in flags.items():
                _add(element, name, str(int(values[place])))
            corners = ET.SubElement(element, "bndbox")
            sides = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
            for side, value in sides.items():
                _add(corners, side, str(int(value)) if value.is_integer() else repr(value))


def _add(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = text


def _plain(name: str) -> str:
    """A name on one line, of characters that XML can hold."""
    return " ".join(_ILLEGAL.sub("\ufffd", name).split())
