"""What ``save`` gives: a look at one save's progress."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from fastload.errors import CheckpointError, CheckpointSkippedError


class SaveHandle:
    """One save, under way, done, failed, or left out.

    Attributes:
        step: as given to ``save``.
        path: where the checkpoint will stand.
    """

    def __init__(self, step: int, path: Path) -> None:
        self.step = step
        self.path = path
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._told = False
        self._pid = os.getpid()

    def done(self) -> bool:
        """Whether it has ended, in whatever way."""
        return self._ended.is_set()

    @property
    def skipped(self) -> bool:
        """Whether it was left out, as ``on_busy`` asked."""
        return isinstance(self._error, CheckpointSkippedError)

    def result(self, timeout: float | None = None) -> Path:
        """Wait until the checkpoint is on the disk, under all its names.

        Args:
            timeout: at most so many seconds; None: as long as it takes.

        Returns:
            its path. Retention may take it away again after later saves.

        Raises:
            TimeoutError: it takes longer; it goes on in the background.
            CheckpointSkippedError: it was left out, as ``on_busy`` asked.
            CheckpointError: it failed; or this process was forked while it was under way, and can
                not know.
        """
        if os.getpid() != self._pid and not self._ended.is_set():
            raise CheckpointError(
                f"{self.path} was being written by process {self._pid} when this one was forked; "
                "ask there"
            )
        if not self._ended.wait(timeout):
            raise TimeoutError(f"{self.path} is not yet on the disk after {timeout} s")
        if self._error is not None:
            self._told = True
            raise self._error
        return self.path

    def _end(self, error: BaseException | None = None) -> None:
        self._error = error
        self._ended.set()

    def _take_error(self) -> CheckpointError | None:
        """An error that nobody was told of; once."""
        if self._told or not isinstance(self._error, CheckpointError) or self.skipped:
            return None
        self._told = True
        return self._error

    def __repr__(self) -> str:
        if not self.done():
            said = "under way"
        elif self._error is None:
            said = "done"
        else:
            said = "skipped" if self.skipped else f"failed: {self._error}"
        return f"<SaveHandle step={self.step} {str(self.path)!r} {said}>"
