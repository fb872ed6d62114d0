"""``BackgroundProxy``: an object whose methods run in the background."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastload.background.worker import BackgroundWorker

__all__ = ["BackgroundProxy"]


class BackgroundProxy:
    """Has a target's attributes; its methods become jobs of one stream.

    Args:
        worker: that runs them.
        target: whose attributes.
        stream: its name.
    """

    def __init__(self, worker: BackgroundWorker, target: Any, stream: str) -> None:
        self._worker = worker
        self._target = target
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._target, name)
        if not callable(value):
            return value
        return partial(self._worker.submit, value, stream=self._stream)

    def __repr__(self) -> str:
        return f"<{self._target!r} in the background>"
