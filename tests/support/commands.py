"""The command in this process: quicker than a new one, and with its output at hand."""

from __future__ import annotations

import signal
from pathlib import Path

from click.testing import CliRunner

from fastload.cli.commands import main


def invoke(*arguments: str | Path | int, code: int = 0) -> str:
    """What ``fastload ARGUMENTS`` prints on stdout (and stderr where ``code`` is not 0)."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        done = CliRunner().invoke(main, [str(argument) for argument in arguments])
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert done.exit_code == code, (done.output, done.exception)
    return str(done.output if code else done.stdout)
