"""Where the annotations of each image stand in a COCO JSON."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

__all__ = ["AnnotationIndex", "AnnotationPlaces"]


_UNKNOWN = -(1 << 63)


class AnnotationPlaces:
    """Annotations as they come: 28 bytes each, and some hundred for each other image id.

    Attributes:
        numbers: of image ids, by their first appearance.
    """

    def __init__(self) -> None:
        self.numbers: dict[int | str, int] = {}
        self._images, self._ids = array("I"), array("q")
        self._places, self._offsets, self._sizes = array("I"), array("Q"), array("I")

    def number(self, identity: int | str) -> int:
        """The number of an image id, which may be new."""
        return self.numbers.setdefault(identity, len(self.numbers))

    def add(self, place: int, identity: int | str, offset: int, size: int, own: object) -> None:
        """One annotation: its place in the file's list, its image, its bytes, and its own id."""
        known = type(own) is int and abs(own) < -_UNKNOWN
        self._ids.append(own if known else _UNKNOWN)  # type: ignore[arg-type]
        self._images.append(self.number(identity))
        self._places.append(place)
        self._offsets.append(offset)
        self._sizes.append(size)

    def repeated(self, limit: int) -> tuple[list[tuple[int, int, int]], int]:
        """(id, place of the first, its own place) of annotations whose id stands before them.

        Returns:
            the first ``limit`` by id, and how many there are.
        """
        ids = np.frombuffer(self._ids, np.int64)
        order = np.argsort(ids, kind="stable")
        found = ids[order]
        again = np.flatnonzero((found[1:] == found[:-1]) & (found[1:] != _UNKNOWN)) + 1
        firsts = order[np.searchsorted(found, found[again[:limit]])]
        some = [(int(found[number]), self._places[first], self._places[order[number]])
                for number, first in zip(again[:limit], firsts, strict=True)]  # fmt: skip
        return some, len(again)

    def sorted(self) -> AnnotationIndex:
        """All of them by image, those of one image in the file's order."""
        images = np.frombuffer(self._images, np.uint32)
        order = np.argsort(images, kind="stable")
        counts = np.bincount(images, minlength=len(self.numbers))
        return AnnotationIndex(
            np.concatenate([[0], np.cumsum(counts)]),
            np.frombuffer(self._places, np.uint32)[order],
            np.frombuffer(self._offsets, np.uint64)[order],
            np.frombuffer(self._sizes, np.uint32)[order],
        )


class AnnotationIndex:
    """The places of annotations by the number of their image; 16 bytes each.

    Args:
        starts: [images + 1]: the first annotation of each image.
        places: [annotations]: in the file's list.
        offsets: [annotations]: in bytes.
        sizes: [annotations]: in bytes.
    """

    def __init__(
        self,
        starts: NDArray[np.int64],
        places: NDArray[np.uint32],
        offsets: NDArray[np.uint64],
        sizes: NDArray[np.uint32],
    ) -> None:
        self._starts = starts
        self._places = places
        self._offsets = offsets
        self._sizes = sizes

    def count(self, number: int) -> int:
        """How many annotations an image has."""
        return int(self._starts[number + 1] - self._starts[number])

    def of(self, number: int) -> tuple[list[int], list[tuple[int, int]]]:
        """The places of an image's annotations in the list, and their (offset, size) in bytes."""
        part = slice(self._starts[number], self._starts[number + 1])
        stretches = zip(self._offsets[part].tolist(), self._sizes[part].tolist(), strict=True)
        return self._places[part].tolist(), list(stretches)
