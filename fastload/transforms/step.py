"""``Step``: where one transform of a list runs, and why there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Step"]


@dataclass(frozen=True)
class Step:
    """One transform of the user's list.

    Attributes:
        name: the transform as its ``repr`` shows it, on one line.
        where: "engine" for the native engine, "python" for the user's object itself.
        why: how the engine runs it, or why it cannot.
    """

    name: str
    where: Literal["engine", "python"]
    why: str

    def __str__(self) -> str:
        return f"{self.where:<6}  {self.name}: {self.why}"
