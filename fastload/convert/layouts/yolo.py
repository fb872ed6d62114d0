"""Labels as YOLO writes them: a text file a photo, and a yaml."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import yaml
from numpy.typing import NDArray

from fastload.convert.layouts.base import Converted, StoreLabels, upright_objects
from fastload.convert.layouts.naming import Naming
from fastload.convert.layouts.spool import Spool
from fastload.convert.roles import role_of
from fastload.store import LabelState, Objects

__all__ = ["YoloWriter"]

#: Splits that a yaml can name, by what they may be called in a store.
_KEYS = {
    "train": "train", "training": "train", "trainval": "train", "val": "val", "valid": "val",
    "validation": "val", "minival": "val", "test": "test", "testing": "test",
}  # fmt: skip

Rings = Sequence[NDArray[np.float64]]


class YoloWriter:
    """``dataset.yaml``, ``images/<split>/...`` and ``labels/<split>/...``.

    Rows are keypoints where the store has these, else polygons where any object has one, else
    boxes: of the whole data set, since the clients drop what is mixed. Coordinates are shares of
    the upright picture, as float32 that comes back exactly.
    """

    def __init__(self, labels: StoreLabels, _spool: Spool) -> None:
        self._labels = labels
        self._naming = Naming(labels, flat=False)
        self._pose = labels.header.keypoint_shape
        offsets = labels.annotations.polygon_offsets
        self._polygons = not self._pose and offsets is not None and int(offsets[-1]) > 0

    def photo_name(self, index: int) -> str:
        """Below ``images``."""
        split = self._labels.split(index)
        return "/".join(filter(None, ("images", split, self._naming[index])))

    def convert(self, index: int) -> Converted:
        """The label file of a photo; none where nothing is known of it."""
        labels = self._labels.annotations[index]
        if labels.state not in (LabelState.PRESENT, LabelState.EMPTY):
            return Converted()
        size = self._labels.size(index)
        lost: Counter[str] = Counter()
        kept = self._kept(labels.objects, lost)
        boxes, polygons, keypoints = upright_objects(labels.objects, size, labels.upright)
        scale = np.array(size.upright[::-1], np.float64)
        rows = []
        for place in np.flatnonzero(kept).tolist():
            box = boxes[place].reshape(2, 2) / scale
            numbers = _centre(box)
            if not _fits(
                numbers
            ):  # a box that reaches out fits, if its centre does not lie outside
                lost["boxes that lie out of the picture: cut"] += 1
                box = np.clip(box, 0, 1)
                numbers = _centre(box)
            if not all(number > 0 for number in numbers[2:]):  # nor any that is no number
                lost["boxes without area, or outside of the picture: left out"] += 1
                continue
            if keypoints is not None:
                points = keypoints[place].copy()
                points[:, :2] = np.clip(points[:, :2] / scale, 0, 1)
                numbers += points.ravel().tolist()
            elif self._polygons:
                rings = [ring for ring in polygons[place] if len(ring) >= 3]
                numbers = _polygon(rings, box, scale, lost)
            class_id = int(labels.objects.class_ids[place])
            rows.append(" ".join([str(class_id), *map(_text, numbers)]) + "\n")
        return Converted(((self._label_name(index), "".join(rows).encode()),), +lost)

    def files(self) -> Iterator[tuple[str, bytes]]:
        """The yaml."""
        header = self._labels.header
        folders: dict[str, list[str]] = {}
        for split in self._labels.split_names:
            key = _KEYS.get(role_of(split), "" if split else "train")
            folders.setdefault(key, []).append("/".join(filter(None, ("images", split))))
        values: dict[str, object] = {
            key: folders[key][0] if len(folders[key]) == 1 else folders[key]
            for key in ("train", "val", "test")
            if key in folders
        }
        names: dict[int, str] = dict(enumerate(self._labels.class_names))
        names |= {class_id: f"class {class_id}" for class_id in self._labels.unnamed_classes()}
        values["names"] = names
        if self._pose:
            values["kpt_shape"] = list(self._pose)
            if header.keypoint_flip:
                values["flip_idx"] = list(header.keypoint_flip)
            if header.keypoint_names:
                values["kpt_names"] = {number: list(header.keypoint_names) for number in names}
        yield (
            "dataset.yaml",
            yaml.safe_dump(values, sort_keys=False, allow_unicode=True).encode(
                "utf-8", "backslashreplace"
            ),
        )

    def lost(self) -> Counter[str]:
        """What a yaml cannot say."""
        labels = self._labels
        found: Counter[str] = Counter()
        if labels.split_names == ("",):
            found["photos without a split: they are train's"] = len(labels)
        for split in labels.split_names:
            if split and role_of(split) not in _KEYS:
                found[f"splits that are none of train, val, test ({split!a}): not in the yaml"] += 1
        found["photos renamed, since two had one label file"] = self._naming.renamed
        found["class ids without a name: named"] = len(labels.unnamed_classes())
        for name in ("area", "id"):
            if name in labels.header.object_fields:
                found[f"numbers '{name}'"] = len(labels.annotations.class_ids)
        found["lines of a skeleton"] = len(labels.header.skeleton)
        return +found

    def _kept(self, objects: Objects, lost: Counter[str]) -> NDArray[np.bool_]:
        """The objects that are written; counts what is said of them and has no place."""
        crowd = self._labels.truth(objects, "crowd")
        lost["crowds: left out, as the clients leave them out"] += int(np.count_nonzero(crowd))
        kept = ~crowd
        for name in ("difficult", "truncated", "occluded"):
            count = int(np.count_nonzero(self._labels.truth(objects, name) & kept))
            lost[f"flags '{name}'"] += count
        if objects.run_counts is not None:
            lost["masks"] += int(np.count_nonzero((objects.run_counts > 0) & kept))
        if self._pose and objects.polygon_counts is not None:
            lost["polygons"] += int(np.count_nonzero((objects.polygon_counts > 0) & kept))
        return kept

    def _label_name(self, index: int) -> str:
        """As the clients find it: the last folder ``images`` becomes ``labels``."""
        stem = os.path.splitext(self.photo_name(index))[0]
        before, _, behind = f"/{stem}".rpartition("/images/")
        return f"{before}/labels/{behind}.txt".lstrip("/")


def _polygon(
    rings: Rings, box: NDArray[np.float64], scale: NDArray[np.float64], lost: Counter[str]
) -> list[float]:
    """The one polygon that a row holds."""
    if not rings:
        lost["boxes among polygons: written as polygons of their corners"] += 1
        (left, top), (right, bottom) = box
        return [left, top, right, top, right, bottom, left, bottom]
    if len(rings) > 1:
        lost["polygons of several parts: joined by lines there and back"] += 1
        # Along each ring and back to its start, then on; and the starts again in reverse.
        closed = [np.concatenate([ring, ring[:1]]) for ring in rings]
        starts = [ring[:1] for ring in reversed(rings[:-1])]
        rings = [np.concatenate([*closed, *starts])]
    shares: list[float] = (rings[0] / scale).ravel().tolist()
    if _fits(shares):
        return shares
    lost["polygons that reach out of the picture: cut"] += 1
    return np.clip(shares, 0, 1).tolist()  # type: ignore[no-any-return]


def _centre(box: NDArray[np.float64]) -> list[float]:
    """Centre and sides of a box [2, 2]: x, y, width, height."""
    return [*(box.sum(0) / 2).tolist(), *(box[1] - box[0]).tolist()]


def _fits(numbers: Sequence[float]) -> bool:
    """Whether the clients take these shares."""
    written = np.array(numbers, np.float32)
    return bool(np.all((written >= 0) & (written <= 1)))


def _text(value: float) -> str:
    """The shortest decimals that give the same float32."""
    return np.format_float_positional(np.float32(value), unique=True, trim="-")
