"""``send``: an object through a pipe, its tensors by value. Imports no torch without need."""

from __future__ import annotations

import io
import sys
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

__all__ = ["send"]


def send(pipe: Connection, value: Any) -> None:
    """As ``pipe.send``, which the other end's ``recv`` understands.

    torch would put each tensor's memory into a shared file: a file descriptor each, of which a list
    of detections has more than a process may open; a thread to pass them on, which cannot be
    started when the interpreter ends; and memory that both processes write to. This is its way
    down to the memory that a tensor is a view of, which is sent whole.
    """
    buffer = io.BytesIO()
    _Pickler(buffer).dump(value)
    pipe.send_bytes(buffer.getbuffer())


class _Pickler(ForkingPickler):
    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        if torch := sys.modules.get("torch"):
            self.dispatch_table[torch.UntypedStorage] = _reduced  # its own table: others' stay


def _reduced(storage: Any) -> tuple[Any, ...]:
    import torch

    return _storage, (torch.empty(0, dtype=torch.uint8).set_(storage.cpu()).numpy(),)


def _storage(array: Any) -> Any:
    import torch

    return torch.from_numpy(array).untyped_storage()
