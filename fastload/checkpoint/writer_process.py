"""A process that writes files from shared memory: its CPU time and GIL are not training's.

Requests and answers are JSON behind a length of 4 bytes; a request is followed by the bytes that
do not lie in shared memory, and preceded, where the memory is new, by its descriptor. It runs
``fastload.checkpoint.writer_main``, which imports no torch.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastload
from fastload.checkpoint.arena import Arena
from fastload.checkpoint.framing import receive
from fastload.checkpoint.plan import FilePlan, Range
from fastload.errors import CheckpointError

_CODE = """
import sys
sys.path[:] = [sys.argv[1], *filter(None, sys.path)]  # nothing from the current folder
from fastload.checkpoint.writer_main import main
main(int(sys.argv[2]), int(sys.argv[3]))
"""


class WriterDiedError(CheckpointError):
    """The process ended before it answered."""


class NoWriterError(CheckpointError):
    """The process cannot be started."""


class WriterProcess:
    """Starts the process at the first write, and again where it died.

    For one thread, the background's, from the first write to ``close``: the kernel ends the process
    with the thread that started it.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._known: dict[int, tuple[Arena, int]] = {}

    def write(self, plan: FilePlan, arena: Arena, path: Path) -> None:
        """``write_file`` over there.

        Raises:
            OSError: as ``write_file``.
            NoWriterError: the process cannot be started; nothing was done.
            WriterDiedError: the process died; its temporary file may be left.
            CheckpointError: it failed otherwise.
        """
        connection = self._connect()
        try:
            answer = self._ask(connection, plan, arena, path)
        except (OSError, EOFError, ValueError) as error:
            status = self._reap()
            raise WriterDiedError(
                f"{path} was not written: the writing process ended with {status} (-9: killed, "
                "often for want of memory); the next save starts another"
            ) from error
        if answer.get("errno") is not None:
            raise OSError(answer["errno"], answer["said"])
        if "said" in answer:
            raise CheckpointError(f"{path} was not written: {answer['said']}")

    def close(self) -> None:
        """End the process, which has nothing to do any more."""
        self._reap()

    def _connect(self) -> socket.socket:
        if self._socket is None:
            ours, theirs = socket.socketpair()
            root = str(Path(fastload.__file__).parents[1])
            arguments = [root, str(theirs.fileno()), str(os.getpid())]
            # A session of its own: Ctrl-C is for training, which then closes this in order.
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _CODE, *arguments],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except (OSError, RuntimeError) as error:  # such as at the interpreter's exit
                ours.close()
                raise NoWriterError(f"the writing process could not be started: {error}") from error
            finally:
                theirs.close()
            self._socket = ours
        return self._socket

    def _ask(
        self, connection: socket.socket, plan: FilePlan, arena: Arena, path: Path
    ) -> dict[str, Any]:
        number = id(arena)
        # A state without tensors has no memory.
        is_new = arena.size_bytes > 0 and self._known.get(number) != (arena, arena.generation)
        entries: list[list[Any]] = []
        inline = []
        for entry in plan.entries:
            offset = -1
            if isinstance(entry.data, Range):
                offset = entry.data.offset
            else:
                inline.append(entry.data)
            entries.append([entry.name, offset, entry.size_bytes, entry.dtype, entry.shape])
        request = {
            "path": os.fsencode(path).decode("latin-1"),
            "format": plan.format,
            "info": dict(plan.info),
            "entries": entries,
            "arena": number,
            "new": is_new,
        }
        data = json.dumps(request).encode()
        connection.sendall(len(data).to_bytes(4, "little") + data)
        if is_new:
            socket.send_fds(connection, [b"m"], [arena.descriptor])
            self._known[number] = (arena, arena.generation)
        for piece in inline:
            connection.sendall(piece)
        length = int.from_bytes(receive(connection, 4), "little")
        answer: dict[str, Any] = json.loads(receive(connection, length))
        return answer

    def _reap(self) -> int | None:
        process, self._process = self._process, None
        if self._socket is not None:
            # A loader's workers, forked meanwhile, have copies of it: closing alone ends nothing.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._socket = None
        self._known.clear()
        if process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(5)
        process.kill()
        return process.wait()
