"""Labels as COCO writes them: a JSON a split."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.layouts.base import Converted, StoreLabels, class_name
from fastload.convert.layouts.naming import Naming
from fastload.convert.layouts.spool import Spool
from fastload.convert.safe_folder import Data
from fastload.store import LabelState, Objects, SampleLabels

__all__ = ["CocoWriter"]

#: Of a data set without splits: the photos lie beside it.
_UNSPLIT = "_annotations.coco.json"
_TRUTHS = ("difficult", "truncated", "occluded")


class CocoWriter:
    """``annotations/instances_<split>.json`` and ``<split>/...``.

    Without splits, ``_annotations.coco.json`` with the photos beside it. Numbers are written so
    that the same float64 comes back.
    """

    def __init__(self, labels: StoreLabels, spool: Spool) -> None:
        self._labels = labels
        self._naming = Naming(labels, flat=False)
        header, annotations = labels.header, labels.annotations
        self._image_ids = self._own_image_ids()
        self._own_ids = "id" in header.object_fields and _all_differ(annotations.field("id"))
        ids = header.category_ids
        known = len(ids) == len(labels.class_names)
        self._category_ids = ids if known else tuple(range(1, len(labels.class_names) + 1))
        self._spool = spool

    def photo_name(self, index: int) -> str:
        """In the folder of its split."""
        return "/".join(filter(None, (self._labels.split(index), self._naming[index])))

    def convert(self, index: int) -> Converted:
        """Puts the entries of a photo aside for ``files``."""
        labels = self._labels.annotations[index]
        size, lost = self._labels.size(index), Counter[str]()
        height, width = size.upright if labels.upright else (size.height, size.width)
        identity = index + 1 if self._image_ids is None else int(self._image_ids[index])
        image = {
            "id": identity, "file_name": self._naming[index], "height": height, "width": width
        }  # fmt: skip
        if labels.state is LabelState.MISSING:
            lost["photos of which nothing is known: listed as photos without objects"] += 1
        entries = self._annotations(index, identity, labels, (height, width), lost)
        texts = {"images": _dump(image), "annotations": b",\n".join(map(_dump, entries))}
        split = self._labels.split(index)
        self._spool.add(index, {f"{name} {split}": text for name, text in texts.items()})
        return Converted((), +lost)

    def files(self) -> Iterator[tuple[str, Data]]:
        """The JSONs."""
        for split in self._labels.split_names:
            name = f"annotations/instances_{split}.json" if split else _UNSPLIT
            yield name, partial(self._json, split)

    def _json(self, split: str) -> Iterator[bytes]:
        yield b'{"info":{},\n"images":[\n'
        yield from self._spool.pieces(f"images {split}")
        yield b'],\n"annotations":[\n'
        yield from self._spool.pieces(f"annotations {split}")
        yield b'],\n"categories":' + self._categories() + b"}\n"

    def lost(self) -> Counter[str]:
        """What a JSON cannot say."""
        header = self._labels.header
        found: Counter[str] = Counter()
        found["keypoints that mirroring swaps (flip_idx)"] = len(header.keypoint_flip)
        if header.keypoint_shape and header.keypoint_shape[1] == 2:
            found["keypoints without visibility: written as visible"] = header.keypoint_shape[0]
        if header.image_ids and self._image_ids is None:
            found["image ids that occur twice: numbered anew"] = len(self._labels)
        if "id" in header.object_fields and not self._own_ids:
            found["annotation ids that occur twice: numbered anew"] = len(
                self._labels.annotations.class_ids
            )
        found["photos renamed, since two had one name"] = self._naming.renamed
        found["class ids without a name: named"] = len(self._labels.unnamed_classes())
        return +found

    def _own_image_ids(self) -> NDArray[np.int64] | None:
        ids = self._labels.annotations.image_ids
        return ids if ids is not None and _all_differ(ids) else None

    def _categories(self) -> bytes:
        labels, header = self._labels, self._labels.header
        unnamed = labels.unnamed_classes()
        found: list[dict[str, Any]] = []
        for class_id in [*range(len(labels.class_names)), *unnamed]:
            name = class_name(labels.class_names, class_id)
            category: dict[str, Any] = {"id": self._category(class_id), "name": name}
            if header.keypoint_shape:
                count = header.keypoint_shape[0]
                category["keypoints"] = list(header.keypoint_names) or [
                    str(number) for number in range(count)
                ]
                category["skeleton"] = [[one + 1, other + 1] for one, other in header.skeleton]
            found.append(category)
        return _dump(found)

    def _category(self, class_id: int) -> int:
        """Its own id; ids of classes without a name lie above all others, in their order."""
        ids = self._category_ids
        if class_id < len(ids):
            return ids[class_id]
        return max(ids, default=0) + 1 + class_id - len(ids)

    def _annotations(
        self,
        index: int,
        image_id: int,
        labels: SampleLabels,
        size: tuple[int, int],
        lost: Counter[str],
    ) -> Iterator[dict[str, Any]]:
        objects = labels.objects
        first = int(self._labels.annotations.offsets[index])
        polygons, masks = objects.polygons, objects.masks
        crowd = self._labels.truth(objects, "crowd")
        for place, box in enumerate(objects.boxes.tolist()):
            left, top, right, bottom = box
            if right <= left or bottom <= top:
                lost["boxes without area: left out, as COCO's own tools leave them out"] += 1
                continue
            area = _area(objects, place, polygons[place], masks[place])
            if not all(map(math.isfinite, (right - left, bottom - top, area))):
                lost["boxes too large for a number: left out"] += 1
                continue
            entry: dict[str, Any] = {
                "id": first + place + 1,
                "image_id": image_id,
                "category_id": self._category(int(objects.class_ids[place])),
                "bbox": [left, top, right - left, bottom - top],
                "iscrowd": int(crowd[place]),
                "segmentation": [],
            }
            if self._own_ids:
                entry["id"] = int(np.asarray(objects.fields["id"])[place])
            if len(masks[place]):
                entry["segmentation"] = {"size": list(size), "counts": masks[place].tolist()}
            elif polygons[place]:
                entry["segmentation"] = [ring.ravel().tolist() for ring in polygons[place]]
            entry["area"] = area
            entry |= self._more(objects, place, lost)
            yield entry

    def _more(self, objects: Objects, place: int, lost: Counter[str]) -> dict[str, Any]:
        """Flags that COCO's tools do not know, and keypoints."""
        more: dict[str, Any] = {}
        for name in _TRUTHS:
            if bool(np.asarray(objects.fields.get(name, [0] * len(objects)))[place]):
                more[name] = 1
                lost[f"flags '{name}': written, but no part of COCO"] += 1
        points = objects.fields.get("keypoints")
        if points is not None:
            row = np.asarray(points[place], np.float64)
            if row.shape[1] == 2:
                seen = np.all(row >= 0, axis=1, keepdims=True)
                row = np.concatenate([row, 2.0 * seen], axis=1)
            flat = [int(v) if column == 2 else v
                    for point in row.tolist() for column, v in enumerate(point)]  # fmt: skip
            more["keypoints"] = flat
            more["num_keypoints"] = int(np.count_nonzero(row[:, 2]))
        return more


def _area(
    objects: Objects, place: int, rings: list[NDArray[np.float64]], runs: NDArray[np.uint32]
) -> float:
    """What the labels say; else that of the mask, of the polygons, or of the box."""
    if "area" in objects.fields:
        return float(np.asarray(objects.fields["area"])[place])
    if len(runs):
        return float(runs[1::2].sum(dtype=np.uint64))
    if rings:
        return sum(map(_ring_area, rings))
    left, top, right, bottom = objects.boxes[place].tolist()
    return float((right - left) * (bottom - top))


def _ring_area(ring: NDArray[np.float64]) -> float:
    """The shoelace formula."""
    x, y = ring[:, 0], ring[:, 1]
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def _all_differ(numbers: NDArray[np.int64]) -> bool:
    return len(np.unique(numbers)) == len(numbers)


def _dump(value: object) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")
