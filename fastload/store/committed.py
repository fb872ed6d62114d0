"""The samples of a half-packed store, to be looked at as those of a published one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from fastload.store.annotations import Annotations
from fastload.store.header import StoreHeader
from fastload.store.names import Names

__all__ = ["CommittedSamples"]


class CommittedSamples:
    """What ``Store`` says of its samples, for those of a writer's commits; without the records.

    Args:
        header: what would be published now.
        names: all samples'.
        column: gives a committed column; each is asked for once.
    """

    def __init__(
        self, header: StoreHeader, names: Names, column: Callable[[str], NDArray[Any]]
    ) -> None:
        self.header = header
        self.names = names
        self._column = column
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return self.header.sample_count

    @property
    def column_names(self) -> tuple[str, ...]:
        """What ``column`` takes."""
        return self.header.columns

    def column(self, name: str) -> NDArray[Any]:
        """A column of all samples; KeyError where there is none."""
        if name not in self._columns:
            self._columns[name] = self._column(name)
        return self._columns[name]

    @property
    def annotations(self) -> Annotations | None:
        """Their labels, or None."""
        header = self.header.annotations
        if header is None or not header.objects:
            return None
        return Annotations(header, len(self), self.column)
