"""What packing and its like tell about how far they are."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Progress", "Silent", "Throttled"]

INTERVAL_SECONDS = 0.1


class Progress(Protocol):
    """Somewhere to show progress. Called from the thread that called ``pack``."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A task of ``total`` photos begins; ``done`` of them were dealt with before."""
        ...

    def advance(self, photos: int, source_bytes: int) -> None:
        """So many more photos are dealt with."""
        ...


class Silent:
    """Shows nothing."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Nothing."""

    def advance(self, photos: int, source_bytes: int) -> None:
        """Nothing."""


class Throttled:
    """Adds up, and tells ``progress`` ten times a second: drawing must not slow packing."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._photos = 0
        self._bytes = 0
        self._next = 0.0

    def advance(self, photos: int, source_bytes: int) -> None:
        """So many more."""
        self._photos += photos
        self._bytes += source_bytes
        now = time.monotonic()
        if now >= self._next:
            self._next = now + INTERVAL_SECONDS
            self.flush()

    def flush(self) -> None:
        """Tell what was not told yet."""
        self._progress.advance(self._photos, self._bytes)
        self._photos = self._bytes = 0
