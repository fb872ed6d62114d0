"""In what a store differs from the one that it replaces."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.originals import original_name
from fastload.store import CommittedSamples, LabelRows, Store

__all__ = ["Changes", "Samples"]

#: What is looked at: a published store, or what a writer has committed.
Samples = Store | CommittedSamples


@dataclass(frozen=True, slots=True)
class Changes:
    """Photos of two stores, by their names and by what is in them.

    Attributes:
        added: photos that are new.
        changed: of a name that was there, with other bytes.
        relabelled: with the same name and bytes, in another class or split or with other labels.
        renamed: with a new name and the bytes of one that is gone.
        removed: gone.
        unchanged: all as it was (the time of the file may be another).
    """

    added: int = 0
    changed: int = 0
    relabelled: int = 0
    renamed: int = 0
    removed: int = 0
    unchanged: int = 0

    def __add__(self, other: Changes) -> Changes:
        ours, theirs = asdict(self), asdict(other)
        return Changes(**{name: ours[name] + theirs[name] for name in ours})

    def as_json(self) -> dict[str, int]:
        """For programs."""
        return asdict(self)

    @classmethod
    def between(cls, before: Samples, after: Samples) -> Changes:
        """Count them, by content hashes; the records are not looked at."""
        old, new = _Facts(before, after), _Facts(after, after)
        is_kept = np.zeros(len(before), np.bool_)
        fresh: list[int] = []
        counts: Counter[str] = Counter()
        for index, name in enumerate(after.names):
            found = before.names.find(name)
            if found is None or is_kept[found]:
                fresh.append(index)
                continue
            is_kept[found] = True
            if old.content(found) != new.content(index):
                counts["changed"] += 1
            elif old.rest(found) != new.rest(index):
                counts["relabelled"] += 1
            else:
                counts["unchanged"] += 1
        gone = Counter(old.content(index) for index in np.flatnonzero(~is_kept).tolist())
        counts["removed"] = gone.total()
        for index in fresh:
            content = new.content(index)
            is_renamed = gone[content] > 0
            gone[content] -= is_renamed
            counts["removed"] -= is_renamed
            counts["renamed" if is_renamed else "added"] += 1
        return cls(**counts)


class _Facts:
    """What is compared of a sample; class and split ids are those of ``numbering``."""

    def __init__(self, samples: Samples, numbering: Samples) -> None:
        column, header, other = samples.column, samples.header, numbering.header
        self._hashes = column(original_name("content_hash", samples.column_names))
        classes = _renumbered(header.class_names, other.class_names)
        splits = _renumbered(header.split_names, other.split_names)
        # The last item is for those that have none: -1, or 255.
        self._classes = np.append(classes, -1)[column("class_id")]
        self._splits = np.append(splits, -1)[np.minimum(column("split"), len(splits))]
        annotations = header.annotations
        self._labels = None
        if annotations is not None:
            self._labels = LabelRows(annotations, len(samples), column, classes)

    def content(self, index: int) -> bytes:
        """The hash of the file's bytes."""
        found: bytes = self._hashes[index].tobytes()
        return found

    def rest(self, index: int) -> tuple[Any, ...]:
        """Class, split and labels."""
        labels = b"" if self._labels is None else self._labels.digest(index)
        return int(self._classes[index]), int(self._splits[index]), labels


def _renumbered(names: tuple[str, ...], others: tuple[str, ...]) -> NDArray[np.int32]:
    """For each name its place among the others; -2 - its own place where it is not there."""
    places = {name: place for place, name in enumerate(others)}
    found = [places.get(name, -2 - place) for place, name in enumerate(names)]
    return np.array(found, np.int32)
