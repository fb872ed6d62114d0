"""``BackgroundProxy``: an object whose methods run in the background."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["BackgroundProxy"]


class BackgroundProxy:
    """Has a target's attributes; its methods become jobs of one stream.

    Args:
        submit: queues a call (function, arguments, named ones) on a stream.
        target: whose attributes.
        stream: its name.
    """

    __slots__ = ("_stream", "_submit", "_target")

    def __init__(self, submit: Callable[..., Any], target: Any, stream: str) -> None:
        self._submit = submit
        self._target = target
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in self.__slots__:  # not there, as for a copy being made
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        value = getattr(self._target, name)
        if not callable(value):
            return value

        def later(*args: Any, **kwargs: Any) -> Any:
            return self._submit((value, args, kwargs), self._stream, copy=True)

        return later

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self.__slots__:
            object.__setattr__(self, name, value)
        else:
            setattr(self._target, name, value)

    def __repr__(self) -> str:
        return f"<{self._target!r} in the background>"
