"""What runs in a writing process; see ``writer_process``. Imports no torch: it starts in 0.1 s."""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import signal
import socket
from pathlib import Path
from typing import Any

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.framing import receive
from fastload.checkpoint.plan import Entry, FilePlan, Range
from fastload.checkpoint.write_file import write_file

_PR_SET_PDEATHSIG = 1
_NICENESS = 10


def main(descriptor: int, parent: int) -> None:
    """Answer requests until the other side closes."""
    # Whoever kills training kills this, too: nothing is left writing behind a run's back.
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        return
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
        # Where sessions share the processor, that counts within this one's own only.
        Path("/proc/self/autogroup").write_text(str(_NICENESS), "ascii")
    memory: dict[int, memoryview] = {}
    with (
        socket.socket(fileno=descriptor) as connection,
        contextlib.suppress(EOFError, ConnectionError),
    ):
        while True:
            length = int.from_bytes(receive(connection, 4), "little")
            request = json.loads(receive(connection, length))
            answer = json.dumps(_serve(connection, request, memory)).encode()
            connection.sendall(len(answer).to_bytes(4, "little") + answer)


def _serve(
    connection: socket.socket, request: dict[str, Any], memory: dict[int, memoryview]
) -> dict[str, Any]:
    number = request["arena"]
    if request["new"]:
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
        if not descriptors:
            raise EOFError  # the other side was killed in between
        (shared,) = descriptors
        memory.pop(number, None)
        memory[number] = memoryview(mmap.mmap(shared, os.fstat(shared).st_size))
        os.close(shared)
    entries = []
    for name, offset, size, dtype, shape in request["entries"]:
        data = Range(offset, size) if offset >= 0 else receive(connection, size)
        entries.append(Entry(name, data, dtype, tuple(shape)))
    plan = FilePlan(request["format"], tuple(entries), request["info"])
    path = Path(os.fsdecode(request["path"].encode("latin-1")))
    try:
        write_file(plan.resolve(memory.get(number, memoryview(b""))), path, FileOps())
    except OSError as error:
        return {"errno": error.errno, "said": error.strerror}
    except Exception as error:
        return {"said": f"{type(error).__name__}: {error}"}
    return {}
