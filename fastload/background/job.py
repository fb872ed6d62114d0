"""``BackgroundJob``: what ``submit`` gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

__all__ = ["BackgroundJob"]


class BackgroundJob(Future[Any]):
    """A ``concurrent.futures.Future`` that knows whether anybody has been told of its error.

    ``result()`` and ``exception()`` wait and tell; an error that neither has told is raised by the
    worker.

    Attributes:
        name: the function's, for messages.
        told: whether somebody knows how it ended.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.told = False
        self.name = getattr(function, "__qualname__", None) or type(function).__name__
        self._call: tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]] | None = (
            function, arguments, named,
        )  # fmt: skip

    def take_call(self) -> tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]:
        """The call; what it holds in memory is let go with it."""
        assert self._call is not None
        call, self._call = self._call, None
        return call

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned; raises what it raised."""
        self._tell_if_done(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the function raised, or None."""
        self._tell_if_done(timeout)
        return super().exception(timeout)

    def untold_error(self) -> BaseException | None:
        """The error, once, where nobody was told of it; does not wait."""
        if self.told or not self.done() or self.cancelled():
            return None
        error = super().exception(0)
        self.told = error is not None
        return error

    def _tell_if_done(self, timeout: float | None) -> None:
        super().exception(timeout)  # waits; raises where it takes too long or was cancelled
        self.told = True
