"""``Closing``: what things that are closed do with errors."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Closing", "raise_first"]


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
            traceback.print_exception(other)


def raise_first(errors: Sequence[BaseException]) -> None:
    """Raise the first of some errors, if there is one. One can be raised; the rest is printed."""
    for error in errors[1:]:
        traceback.print_exception(error)
    if errors:
        raise errors[0]
