"""Where photos go in another layout: their own paths, less the folders that all have in common."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from itertools import count, takewhile

from fastload.convert.layouts.base import StoreLabels

__all__ = ["Naming"]


class Naming:
    """A relative name for each photo, whose stem no other photo of its group has.

    Names are the photos' own, less the folders that all photos of a split have in common. Label
    files are told apart by the stem alone, so that of ``a.jpg`` and ``a.png`` the second becomes
    ``a_2.png``.

    Args:
        labels: of the store.
        flat: no folders: ``x/a.jpg`` becomes ``x_a.jpg``; all photos are one group, in which a
            photo that stands in two splits has one name. Otherwise each split is a group.

    Attributes:
        renamed: photos that could not keep their names.
    """

    def __init__(self, labels: StoreLabels, *, flat: bool) -> None:
        self._labels = labels
        self._flat = flat
        self._names = labels.store.names
        self._prefixes = self._find_prefixes()
        self._others: dict[int, str] = {}
        self._find_collisions()
        self.renamed = len(self._others)

    def __getitem__(self, index: int) -> str:
        return self._others.get(index) or self._plain(index)

    def _plain(self, index: int) -> str:
        name = self._names[index][self._prefixes[self._labels.split(index)] :]
        return name.replace("/", "_") if self._flat else name

    def _find_prefixes(self) -> dict[str, int]:
        """Of each split how long the folders are that all its photos have in common."""
        shared: dict[str, list[str]] = {}
        for index in range(len(self._labels)):
            folders = self._names[index].split("/")[:-1]
            known = shared.setdefault(self._labels.split(index), folders)
            if folders[: len(known)] != known:
                same = takewhile(lambda pair: pair[0] == pair[1], zip(known, folders, strict=False))
                shared[self._labels.split(index)] = [folder for folder, _ in same]
        return {
            split: sum(len(folder) + 1 for folder in folders) for split, folders in shared.items()
        }

    def _find_collisions(self) -> None:
        seen: dict[Hashable, int] = {}
        for index in range(len(self._labels)):
            group = "" if self._flat else self._labels.split(index)
            for name in self._candidates(index):
                first = seen.setdefault(hash((group, os.path.splitext(name)[0])), index)
                if first == index or self._same_photo(first, index):
                    if name != self._plain(index):
                        self._others[index] = name
                    break

    def _candidates(self, index: int) -> Iterator[str]:
        """Names for a photo, the best first."""
        plain = self._plain(index)
        yield plain
        if self._flat:
            yield self._names[index].replace("/", "_")
        stem, ending = os.path.splitext(plain)
        for number in count(2):
            yield f"{stem}_{number}{ending}"

    def _same_photo(self, first: int, index: int) -> bool:
        return (
            self._flat
            and self._names[first] == self._names[index]
            and self._labels.split(first) != self._labels.split(index)
        )
