"""In what stores differ from those that they replace."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.originals import original_name
from fastload.store import CommittedSamples, LabelRows, Store

__all__ = ["Changes", "Samples"]

#: What is looked at: a published store, or what a writer has committed.
Samples = Store | CommittedSamples

_HASH = np.dtype("V16")


def _no_hashes() -> NDArray[np.void]:
    return np.empty(0, _HASH)


@dataclass(frozen=True, slots=True)
class Changes:
    """Photos of two stores, by their names and by what is in them.

    Attributes:
        added: photos that are new.
        changed: of a name that was there, with other bytes.
        relabelled: with the same name and bytes, in another class or split or with other labels.
        renamed: with a new name and the bytes of one that is gone.
        moved: new, with the bytes of one that is gone from another of several stores.
        removed: gone.
        unchanged: all as it was (the time of the file may be another).
        fresh: the content hashes of those added, V16.
        gone: of those removed.
    """

    added: int = 0
    changed: int = 0
    relabelled: int = 0
    renamed: int = 0
    moved: int = 0
    removed: int = 0
    unchanged: int = 0
    fresh: NDArray[np.void] = field(default_factory=_no_hashes, compare=False, repr=False)
    gone: NDArray[np.void] = field(default_factory=_no_hashes, compare=False, repr=False)

    def as_json(self) -> dict[str, int]:
        """The counts, for programs."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.compare}

    def __add__(self, other: Changes) -> Changes:
        """Those of stores that are replaced together: between them, photos may have moved."""
        fresh, gone, moved = _paired(
            np.concatenate([self.fresh, other.fresh]), np.concatenate([self.gone, other.gone])
        )
        theirs = other.as_json()
        counts = {name: count + theirs[name] for name, count in self.as_json().items()}
        counts["moved"] += moved
        counts["added"] -= moved
        counts["removed"] -= moved
        return Changes(**counts, fresh=fresh, gone=gone)

    @classmethod
    def all_new(cls, samples: Samples) -> Changes:
        """A store that replaces none."""
        return cls(added=len(samples), fresh=_hashes(samples))

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
        added = []
        for index in fresh:
            content = new.content(index)
            if gone[content] > 0:
                gone[content] -= 1
                counts["renamed"] += 1
            else:
                added.append(index)
        removed = np.frombuffer(b"".join(gone.elements()), _HASH)
        counts["added"], counts["removed"] = len(added), len(removed)
        return cls(**counts, fresh=_hashes(after)[added], gone=removed)


class _Facts:
    """What is compared of a sample; class and split ids are those of ``numbering``."""

    def __init__(self, samples: Samples, numbering: Samples) -> None:
        column, header, other = samples.column, samples.header, numbering.header
        self._hashes = _hashes(samples)
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


def _hashes(samples: Samples) -> NDArray[np.void]:
    """The content hash of each sample's file, V16."""
    found = samples.column(original_name("content_hash", samples.column_names))
    return np.ascontiguousarray(found).view(_HASH).reshape(-1)


def _paired(
    some: NDArray[np.void], others: NDArray[np.void]
) -> tuple[NDArray[np.void], NDArray[np.void], int]:
    """Both without those of one that are equal to one of the other, and how many pairs these are.

    Each is of one pair at most.
    """
    values, counts = np.unique(some, return_counts=True)
    other_values, other_counts = np.unique(others, return_counts=True)
    _, places, other_places = np.intersect1d(values, other_values, return_indices=True)
    pairs = np.minimum(counts[places], other_counts[other_places])
    counts[places] -= pairs
    other_counts[other_places] -= pairs
    left, others_left = np.repeat(values, counts), np.repeat(other_values, other_counts)
    return left, others_left, int(pairs.sum())
