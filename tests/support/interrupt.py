"""Ctrl-C in the middle of packing."""

from __future__ import annotations

from fastload.convert.progress import Silent


class StopAfter(Silent):
    """A progress that presses Ctrl-C after some photos."""

    def __init__(self, photos: int) -> None:
        self._left = photos

    def advance(self, photos: int, source_bytes: int) -> None:
        self._left -= photos
        if self._left <= 0:
            raise KeyboardInterrupt
