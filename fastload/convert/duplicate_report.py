"""What ``duplicates`` found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastload.convert.findings import Severity, Tally

__all__ = ["DuplicateReport"]


@dataclass(frozen=True, slots=True)
class DuplicateReport:
    """What ``duplicates`` returns.

    Attributes:
        stores: their paths.
        photos: samples of all of them.
        near: bits in which perceptual hashes of near photos may differ; None: not looked for.
        exact_duplicates: photos with the bytes of an earlier one of the same split.
        near_duplicates: further photos that are near to an earlier one of the same split.
        exact_leaks: by (split, more held-out split): photos of the latter with the bytes of one
            of the former.
        near_leaks: further photos of the latter that are near to one of the former.
        unhashed: photos without a perceptual hash: all but one colour, or not to be decoded.
        tally: leaks (and photos that cannot be decoded) as problems, duplicates as notes.
        seconds: how long it took.
    """

    stores: tuple[str, ...]
    photos: int
    near: int | None
    exact_duplicates: int
    near_duplicates: int
    exact_leaks: dict[tuple[str, str], int]
    near_leaks: dict[tuple[str, str], int]
    unhashed: int
    tally: Tally
    seconds: float

    @property
    def leaks_count(self) -> int:
        """Photos that leak, counted once a pair of splits."""
        return sum(self.exact_leaks.values()) + sum(self.near_leaks.values())

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "stores": list(self.stores),
            "photos": self.photos,
            "near": self.near,
            "exact_duplicates": self.exact_duplicates,
            "near_duplicates": self.near_duplicates,
            "exact_leaks": {f"{a}/{b}": count for (a, b), count in self.exact_leaks.items()},
            "near_leaks": {f"{a}/{b}": count for (a, b), count in self.near_leaks.items()},
            "leaks_count": self.leaks_count,
            "photos_without_hash": self.unhashed,
            "problems": self.tally.as_json(Severity.PROBLEM),
            "notes": self.tally.as_json(Severity.NOTE),
            "seconds": round(self.seconds, 3),
        }
