"""What runs where, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["LoaderPlan"]


@dataclass(frozen=True)
class LoaderPlan:
    """What a loader's next ``iter()`` will do; ``print`` it.

    Attributes:
        path: "engine": batches are made by native threads in this process. "workers+core": torch's
            own workers, which call the native core for the first transforms of the list. "workers":
            torch's own machinery, unchanged.
        reason: why this path.
        dataset: what is read.
        steps: one line a transform: where it runs, and why not in the core.
        notes: arguments that mean something else, or nothing, on this path.
    """

    path: Literal["engine", "workers+core", "workers"]
    reason: str
    dataset: str
    steps: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        lines = [f"path: {self.path} ({self.reason})", f"data: {self.dataset}"]
        lines += [f"  {number}. {step}" for number, step in enumerate(self.steps, 1)]
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)
