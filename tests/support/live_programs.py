"""Programs that are started, end as any does, and cost no import of torch each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.loaders import settled

#: Has imported what takes long, and forks: the child runs a program and goes on to its own end.
_SOURCE = """
import json, os, signal, sys, threading, time
from fastload import BackgroundWorker
from fastload.background import at_exit
signal.signal(signal.SIGINT, signal.default_int_handler)
for line in sys.stdin:
    code, path = json.loads(line)
    process = os.fork()
    if process == 0:
        break
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
else:
    os._exit(0)
os.setsid()
for descriptor, name in enumerate(("output", "error"), 1):
    os.dup2(os.open(f"{path}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
exec(code)
"""


class Program:
    """One that runs.

    Args:
        source: what forks it.
        code: of it; may use ``BackgroundWorker``, ``at_exit``, ``os``, ``sys``, ``threading`` and
            ``time``.
        folder: for what it writes.
    """

    def __init__(self, source: subprocess.Popen[str], code: str, folder: Path) -> None:
        assert source.stdin is not None
        for name in ("output", "error"):
            (folder / name).touch()
        print(json.dumps([code, str(folder)]), file=source.stdin, flush=True)
        self._source, self._folder = source, folder
        self.process = self._number()

    @property
    def output(self) -> str:
        """What it has written so far."""
        return (self._folder / "output").read_text()

    @property
    def error(self) -> str:
        """What it has written to standard error so far."""
        return (self._folder / "error").read_text()

    def says(self, text: str) -> bool:
        """Whether it comes to write this on one of the two."""
        return settled(lambda: text in self.output + self.error, seconds=60)

    def end(self) -> int:
        """Wait for it; returns its exit code."""
        return self._number()

    def _number(self) -> int:
        assert self._source.stdout is not None
        return int(self._source.stdout.readline())


@contextmanager
def program_source() -> Iterator[subprocess.Popen[str]]:
    """For `Program`; one at a time."""
    with subprocess.Popen(
        [sys.executable, "-c", _SOURCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as source:
        yield source
        assert source.stdin is not None
        source.stdin.close()
