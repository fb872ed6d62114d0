"""How commands end: exit codes, errors on one line, and signals."""

from __future__ import annotations

import functools
import json
import signal
import sys
from collections.abc import Callable
from enum import IntEnum
from types import FrameType
from typing import ParamSpec

import click

from fastload.cli.startup import is_running
from fastload.cli.stdout import leave_stdout
from fastload.convert.names import printable
from fastload.errors import FastloadError

__all__ = ["EXIT_HELP", "ExitCode", "guarded", "remember_resume"]

P = ParamSpec("P")


class ExitCode(IntEnum):
    """What a script can go by."""

    DONE = 0
    ERROR = 1
    USAGE = 2  # click's own
    REFUSED = 3
    PARTLY = 4


EXIT_HELP = """
\b
Exit codes: 0 all is well; 1 an error stopped it; 2 wrong usage;
3 nothing was published (convert --strict), differences were found
(verify), or photos leak (duplicates); 4 done, but some files could not
be packed or given back;
130, 143, 129 interrupted by Ctrl-C, SIGTERM, SIGHUP.
"""


class Stopped(KeyboardInterrupt):
    """A signal that asks to end; ends commands just as Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


# What to say when a command is interrupted; set by the command.
_resume_hint: list[str] = []


def remember_resume(hint: str) -> None:
    """What to tell the user should the command be interrupted from now on."""
    _resume_hint[:] = [hint]


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """A command whose errors become one line on stderr and an exit code.

    With ``--json``, an error also is the one JSON document on stdout.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        for stream in (sys.stdout, sys.stderr):  # names may hold what the terminal cannot show
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) == signal.SIG_DFL:  # nohup ignores SIGHUP: leave that
                signal.signal(number, _stop)
        try:
            is_running()
            command(*args, **kwargs)
        except BrokenPipeError:
            leave_stdout()
            sys.exit(ExitCode.ERROR)
        except KeyboardInterrupt as interrupt:
            caught = interrupt.number if isinstance(interrupt, Stopped) else int(signal.SIGINT)
            _say(f"interrupted. {_resume_hint[0] if _resume_hint else ''}")
            sys.exit(128 + caught)
        except (FastloadError, OSError, MemoryError) as error:
            text = str(error) or "out of memory"
            _say(text)
            if kwargs.get("as_json"):
                click.echo(json.dumps({"error": type(error).__name__, "message": text}))
            sys.exit(ExitCode.ERROR)

    return run


def _say(text: str) -> None:
    click.echo("fastload: " + " ".join(printable(line) for line in text.splitlines()), err=True)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise Stopped(number)
