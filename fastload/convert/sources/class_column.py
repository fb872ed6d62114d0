"""Classes as single samples state them, until all are known."""

from __future__ import annotations

import math
from array import array

import numpy as np
from numpy.typing import NDArray

from fastload.store import NO_CLASS

__all__ = ["ClassColumn", "class_value"]

_MAX_TEXT = 200
#: Whole numbers up to this are class ids as they are, as training on the source would see them.
_MAX_ID = 65_535
_MAX_CLASSES = 100_000
_ID_LIMIT = 1 << 31


def class_value(value: object) -> int | str | None:
    """A value as a class: a whole number, a name, or None where it can be neither, or is -1."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        value = value.strip()
        if value.isascii() and value.isdigit() and len(value) < 10:
            value = int(value)
        elif value == "-1":
            return None
    if type(value) is int:
        return None if value == -1 else value if 0 <= value < _ID_LIMIT else str(value)[:_MAX_TEXT]
    return value if isinstance(value, str) and 0 < len(value) <= _MAX_TEXT else None


class ClassColumn:
    """The classes of all samples while they are read: 8 bytes each, and each name once."""

    def __init__(self) -> None:
        self._codes = array("q")
        self._texts: dict[str, int] = {}

    def add(self, value: int | str | None) -> None:
        """One more sample's class."""
        if value is None:
            code = -1
        elif isinstance(value, int):
            code = value
        elif len(self._texts) > _MAX_CLASSES:
            code = -1  # there will be no classes at all
        else:
            code = -2 - self._texts.setdefault(value, len(self._texts))
        self._codes.append(code)

    def names_and_ids(self) -> tuple[tuple[str, ...], NDArray[np.int32]] | None:
        """Class names in the order of ids, and each sample's id; None: too many to be classes.

        Whole numbers are ids as they are, with names "0", "1", ... up to the largest; where they
        are too large for that, or there are names, ids count the values that occur.
        """
        codes = np.frombuffer(self._codes, np.int64) if self._codes else np.empty(0, np.int64)
        values, places = np.unique(codes, return_inverse=True)
        texts = list(self._texts)
        if len(values) > _MAX_CLASSES or len(texts) > _MAX_CLASSES:
            return None
        numbers = [int(value) for value in values if value >= 0]
        if not texts and (not numbers or numbers[-1] <= _MAX_ID):
            names = tuple(map(str, range(numbers[-1] + 1 if numbers else 0)))
            return names, np.where(codes < 0, NO_CLASS, codes).astype(np.int32)
        spelled = [str(value) if value >= 0 else texts[-2 - value] if value < -1 else None
                   for value in values.tolist()]  # fmt: skip
        known = {name for name in spelled if name is not None}
        ordered = sorted(known) if texts else sorted(known, key=int)
        ids = {name: number for number, name in enumerate(ordered)}
        table = np.array([NO_CLASS if name is None else ids[name] for name in spelled], np.int32)
        return tuple(ordered), table[places]
