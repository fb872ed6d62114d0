"""``BackgroundJob``: what ``submit`` gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

__all__ = ["BackgroundJob", "Call"]

#: A function, its arguments and its named ones.
Call = tuple[Callable[..., Any], tuple[Any, ...], Mapping[str, Any]]


class BackgroundJob(Future[Any]):
    """A ``concurrent.futures.Future`` that knows whether anybody has been told of its error.

    ``result()`` and ``exception()`` wait and tell; an error that neither has told is raised by the
    worker.

    Attributes:
        name: the function's, for messages.
    """

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.name = getattr(function, "__qualname__", None) or type(function).__name__
        self._untold: BaseException | None = None
        self._call: Call | None = (function, arguments, named)

    def do(self, run: Callable[..., Any]) -> None:
        """Have the function run, unless it was cancelled by whom has this."""
        assert self._call is not None
        call, self._call = self._call, None  # what it holds in memory is let go behind it
        if not self.set_running_or_notify_cancel():
            return
        try:
            result = run(*call)
        except BaseException as error:  # SystemExit too: it belongs to whom asks for the result
            self._untold = error
            self.set_exception(error)
            del self  # the error's traceback has this frame: no circle of them
        else:
            self.set_result(result)

    def drop(self) -> None:
        """It will not run; calls what was added as ``done`` callbacks."""
        self._call = None
        self.cancel()
        self.set_running_or_notify_cancel()

    def result(self, timeout: float | None = None) -> Any:
        """What the function returned; raises what it raised."""
        self.exception(timeout)
        return super().result(timeout)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """What the function raised, or None."""
        error = super().exception(timeout)  # waits; raises if it takes too long or was cancelled
        self._untold = None
        return error

    @property
    def is_untold(self) -> bool:
        """Whether it failed and nobody knows. Takes no lock."""
        return self._untold is not None

    def take_error(self) -> BaseException | None:
        """The error, once, where it failed and nobody knows. Takes no lock."""
        error, self._untold = self._untold, None
        return error
