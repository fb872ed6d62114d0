"""The start of the command: Ctrl-C while modules are imported ends it without a word."""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["is_running", "main"]


def main() -> None:
    """The program ``fastload``."""
    # A handler and no exception, which some import on the way might take for one of its own.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _leave)
    from fastload.cli.commands import main as commands

    commands()


def is_running() -> None:
    """A command is about to do something: from now on, Ctrl-C raises KeyboardInterrupt."""
    if signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    os._exit(128 + number)
