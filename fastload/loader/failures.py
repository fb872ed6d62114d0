"""Samples that cannot be read, and what becomes of their places in a batch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

__all__ = ["ErrorLog", "OnError", "SampleError", "check_on_error", "places_to_fill_from"]

OnError = Literal["raise", "skip", "replace"]


@dataclass(frozen=True)
class SampleError:
    """A sample that was left out.

    Attributes:
        index: its index in the loader's data set.
        name: the file that it is, or was before packing.
        reason: why it cannot be read.
    """

    index: int
    name: str
    reason: str


class ErrorLog:
    """The samples that a loader has left out: each once, and how often in all."""

    def __init__(self) -> None:
        self.samples: list[SampleError] = []
        self.count = 0
        self._known: set[int] = set()

    def add(self, sample: SampleError) -> None:
        """Count a sample; list it where it is new."""
        self.count += 1
        if sample.index not in self._known:
            self._known.add(sample.index)
            self.samples.append(sample)


def check_on_error(on_error: str) -> None:
    """Refuse what is no policy."""
    if on_error not in get_args(OnError):
        raise ValueError(f"expected on_error to be one of {get_args(OnError)}, found {on_error!r}")


def places_to_fill_from(
    failed: list[int], count: int, on_error: Literal["skip", "replace"]
) -> NDArray[np.int64]:
    """Which places of a batch the finished batch takes its samples from, in order.

    Args:
        failed: places without a sample.
        count: places of the batch; more than ``failed``.
        on_error: "skip" leaves failed places out; "replace" puts the next good sample there, or,
            behind the last good one, the batch's first good one.

    Returns:
        int64 [count], or [count - len(failed)] for "skip".
    """
    sound = np.ones(count, np.bool_)
    sound[failed] = False
    good = np.flatnonzero(sound)
    if on_error == "skip":
        return good
    following = np.searchsorted(good, np.arange(count))
    return good[following % len(good)]
