"""The protocol of a layout to write: what unpacking asks of it, and what all of them need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fastload.convert.labelled import PhotoSize
from fastload.convert.orientation import upright_boxes, upright_points
from fastload.convert.safe_folder import Data
from fastload.convert.thumbnail import stored_size
from fastload.errors import PackError
from fastload.store import NO_SPLIT, AnnotationHeader, Annotations, Objects, Store

__all__ = ["Converted", "LayoutWriter", "StoreLabels", "class_name", "upright_objects"]


@dataclass(frozen=True, slots=True)
class Converted:
    """The labels of a photo in another layout.

    Attributes:
        files: (name, bytes) of label files that are the photo's own.
        lost: what the layout cannot hold, in words, and how much of it there is.
    """

    files: tuple[tuple[str, bytes], ...] = ()
    lost: Counter[str] = field(default_factory=Counter)


class LayoutWriter(Protocol):
    """Writes one layout."""

    def photo_name(self, index: int) -> str:
        """Where the photo goes."""
        ...

    def convert(self, index: int) -> Converted:
        """The labels of a photo. Called from many threads, once for each photo."""
        ...

    def files(self) -> Iterator[tuple[str, Data]]:
        """(name, bytes) of all other files, after all photos were converted."""
        ...

    def lost(self) -> Counter[str]:
        """What is lost of the store as a whole."""
        ...


class StoreLabels:
    """The labels of a store, as writers of layouts want them. Safe to use from many threads.

    Raises:
        PackError: the store has no labels of objects.

    Attributes:
        store: it.
        annotations: its labels.
        header: what they are.
        class_names: those of the header, each once.
        split_names: of all splits that have photos; ``("",)`` where there are none.
    """

    def __init__(self, store: Store) -> None:
        annotations = store.annotations
        if annotations is None:
            raise PackError(
                f"{store.header.source}: packed without labels of objects, so that there are none "
                "to write in another layout; leave --layout out"
            )
        self.store = store
        self.annotations: Annotations = annotations
        self.header: AnnotationHeader = annotations.header
        self.class_names = store.header.class_names
        self._splits = store.column("split")
        names = store.header.split_names
        codes = np.unique(self._splits).tolist()
        self.split_names = tuple("" if code == NO_SPLIT else names[code] for code in codes)

    def __len__(self) -> int:
        return len(self.store)

    def split(self, index: int) -> str:
        """The split of a photo, or ""."""
        code = int(self._splits[index])
        return "" if code == NO_SPLIT else self.store.header.split_names[code]

    def size(self, index: int) -> PhotoSize:
        """Of a photo as it is stored."""
        return stored_size(self.store, index)

    def unnamed_classes(self) -> list[int]:
        """Class ids that occur and lie beyond the names, ascending."""
        ids = self.annotations.class_ids
        found: list[int] = np.unique(ids[ids >= len(self.class_names)]).tolist()
        return found

    def truth(self, objects: Objects, name: str) -> NDArray[np.bool_]:
        """A flag of each object; False where the labels have none."""
        values = objects.fields.get(name)
        if values is None:
            return np.zeros(len(objects), np.bool_)
        return np.asarray(values, np.bool_)


def class_name(names: tuple[str, ...], class_id: int) -> str:
    """A class's name; of one beyond the names, "class 7"."""
    return names[class_id] if class_id < len(names) else f"class {class_id}"


def upright_objects(
    objects: Objects, size: PhotoSize, is_upright: bool
) -> tuple[NDArray[np.float64], list[list[NDArray[np.float64]]], NDArray[np.float64] | None]:
    """Boxes [M, 4], polygons, and keypoints [M, K, 2 or 3] or None, in the upright picture."""
    points = objects.fields.get("keypoints")
    keypoints = None if points is None else np.array(points, np.float64)
    if is_upright:
        return objects.boxes, objects.polygons, keypoints
    if keypoints is not None:
        keypoints[..., :2] = upright_points(keypoints[..., :2], size)
    rings = [[upright_points(ring, size) for ring in one] for one in objects.polygons]
    return upright_boxes(objects.boxes, size), rings, keypoints
