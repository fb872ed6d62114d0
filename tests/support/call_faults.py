"""Calls of the system that are watched, or made to fail, in a process with a preloaded library.

Python, NumPy and LMDB's C code all write through it: see call_faults.c.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("call_faults.c")
_HEAD = struct.Struct("<cQQQ")
#: In place of an error: what is written is cut to a half.
SHORT_WRITE = 0


@dataclass(frozen=True, slots=True)
class Event:
    """A call that changed something; see call_faults.c for the kinds."""

    kind: str
    inode: int
    offset: int
    data: bytes


def run_with_faults(module: str, arguments: Sequence[object], folder: Path) -> str:
    """Run a module of these tests with the library, which is built in ``folder``; its output."""
    library = folder / "call_faults.so"
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", "-O1", str(SOURCE), "-o"]
    subprocess.run([*command, str(library), "-ldl", "-lpthread"], check=True)
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env={
            **os.environ,
            "LD_PRELOAD": str(library),
            "PYTHONPATH": str(Path(__file__).parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=2400,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


class Faults:
    """The library's face, in the process that it was preloaded into."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(os.environ["LD_PRELOAD"])
        self._library.faults_begin.argtypes = [
            ctypes.c_char_p, ctypes.c_char_p, ctypes.c_long, ctypes.c_int, ctypes.c_int
        ]  # fmt: skip
        self._library.faults_calls.restype = ctypes.c_long
        self._library.faults_mark.argtypes = [ctypes.c_long]

    def watch(self, folder: Path, trace: Path) -> None:
        """Note all calls that change something below the folder, until ``end``."""
        self._library.faults_begin(bytes(folder), bytes(trace), 0, 0, 0)

    def fail(self, folder: Path, at: int, error: int, *, once: bool) -> None:
        """Have the call number ``at``, from 1, fail, and all behind it unless ``once``."""
        self._library.faults_begin(bytes(folder), b"", at, error, once)

    def end(self) -> int:
        """Of watching and failing; how many calls there were."""
        self._library.faults_end()
        return int(self._library.faults_calls())

    def mark(self, number: int) -> None:
        """Have the trace hold that the program has said something by now."""
        self._library.faults_mark(number)


def read_trace(path: Path) -> list[Event]:
    """What was watched."""
    events, data, at = [], path.read_bytes(), 0
    while at < len(data):
        kind, inode, offset, size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        kept = data[at : at + (size if kind in b"WDCNRVF" else 0)]
        at += len(kept)
        events.append(Event(kind.decode(), inode, offset, kept))
    return events
