"""The records of several stores as pictures of one numbering, one store behind the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastload import _core
from fastload.engine.pictures import StorePictures
from fastload.picture import Info

__all__ = ["JoinedPictures"]


class JoinedPictures:
    """Several stores' records; each part may be sharded, or joined itself.

    Attributes:
        starts: int64 [parts]: the index of each part's first picture.
        lengths: uint64 [N]: bytes of each record.

    Args:
        parts: at least one.
    """

    def __init__(self, parts: Sequence[StorePictures | JoinedPictures]) -> None:
        self._parts = tuple(parts)
        self.lengths: NDArray[np.uint64] = np.concatenate([part.lengths for part in parts])
        counts = [len(part.lengths) for part in parts]
        self.starts = np.cumsum([0, *counts[:-1]], dtype=np.int64)
        self.needs_pillow: bool = any(part.needs_pillow for part in parts)
        sizes: set[tuple[int, int] | None] = {part.common_size for part in parts}
        self.common_size: tuple[int, int] | None = sizes.pop() if len(sizes) == 1 else None
        self.source = _core.JoinedSource(
            np.repeat(np.arange(len(parts), dtype=np.uint32), counts),
            np.concatenate([np.arange(count, dtype=np.uint32) for count in counts]),
            self.lengths,
        )
        for number, part in enumerate(parts):
            if counts[number]:
                self.source.attach(number, part.source)

    @property
    def identity(self) -> str:
        """Of all parts, in their order."""
        return " and ".join(part.identity for part in self._parts)

    def bring(self, indices: NDArray[np.int64]) -> None:
        """Have the shards of a batch at hand.

        Raises:
            StoreError, OSError: one cannot be had.
        """
        numbers = self._number_of(indices)
        for number, part in enumerate(self._parts):
            part.bring(indices[numbers == number] - self.starts[number])

    def name(self, index: int) -> str:
        """The relative path in the folder that was packed."""
        part, place = self._place_of(index)
        return part.name(place)

    def image(self, index: int) -> Image.Image:
        """The picture in a record; raises as `StorePictures.image` does."""
        part, place = self._place_of(index)
        return part.image(place)

    def open(self, index: int) -> NDArray[np.uint8]:
        """Its pixels: uint8 [height, width, 3], RGB."""
        part, place = self._place_of(index)
        return part.open(place)

    def read(self, index: int) -> bytes:
        """The record, checked.

        Raises:
            RecordError: it is damaged.
        """
        part, place = self._place_of(index)
        return part.read(place)

    def render(
        self, recipe: _core.Recipe, data: bytes, seed: int, position: int, out: NDArray[Any]
    ) -> None:
        """A sample of a record, whichever store it is from."""
        self._parts[0].render(recipe, data, seed, position, out)

    def head(self, data: bytes) -> tuple[tuple[int, int], Info]:
        """Height and width of a record, and the ``info`` of its PIL image."""
        return self._parts[0].head(data)

    def error(self, index: int, row: int, cause: BaseException | str) -> Exception:
        """A RecordError that names the store, the sample and its file."""
        part, place = self._place_of(index)
        return part.error(place, row, cause)

    def _number_of(self, indices: NDArray[np.int64] | int) -> Any:
        return np.searchsorted(self.starts, indices, side="right") - 1

    def _place_of(self, index: int) -> tuple[StorePictures | JoinedPictures, int]:
        number = int(self._number_of(index))
        return self._parts[number], index - int(self.starts[number])
