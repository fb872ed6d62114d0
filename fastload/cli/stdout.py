"""What a command prints on stdout, which may be a file on a full disk."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click

from fastload.convert.output_file import output_errors
from fastload.errors import PackError

__all__ = ["leave_stdout", "show"]


def show(text: str, *, newline: bool = True) -> None:
    """Print ``text``.

    Raises:
        NoSpaceError, PackError: stdout cannot be written.
        BrokenPipeError: whoever read it has gone.
    """
    try:
        with output_errors("stdout"):
            click.echo(text, nl=newline)
    except PackError:
        leave_stdout()
        raise


def leave_stdout() -> None:
    """Drop what stdout has not taken, or the interpreter complains of it at exit."""
    with suppress(OSError, ValueError):  # a stdout that is no file
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, sys.stdout.fileno())
        finally:
            os.close(nowhere)
