"""``Closing``: what things that are closed do with errors."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Closing", "print_error", "raise_first", "say"]


class Closing:
    """A context manager whose end is ``close``, which may raise errors of the background.

    Where an error has ended the block, that one is to be seen, and one of ``close`` is printed.
    """

    def close(self) -> None:
        """Finish what is under way."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        try:
            self.close()
        except Exception as other:
            print_error(other)


def raise_first(errors: Sequence[BaseException]) -> None:
    """Raise the first of some errors, if there is one. One can be raised; the rest is printed.

    One that was to end what ran in the background, such as SystemExit, would end its receiver
    here: it comes as the cause of a RuntimeError.
    """
    for error in errors[1:]:
        print_error(error)
    if not errors:
        return
    first = errors[0]
    if isinstance(first, Exception):
        raise first
    raise RuntimeError(f"a background job was ended by {first!r}") from first


def print_error(error: BaseException) -> None:
    """Its traceback, on standard error."""
    say("".join(traceback.format_exception(error)).removesuffix("\n"))


def say(text: str) -> None:
    """A line on standard error, unless that is None, closed or full, as it may be at exit."""
    with suppress(AttributeError, OSError, ValueError):
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
