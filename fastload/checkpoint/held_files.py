"""Descriptors that forked children must not keep: a lock on a file would outlive its owner there.

``flock`` locks the open file, which a child shares. A loader's worker, forked while a checkpoint is
written, would hold the lock of the temporary file for as long as it lives: after a kill, the next
start would take the file for one in use; and whoever waits for the lock would wait for the worker.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from pathlib import Path

_held: set[int] = set()
#: Held over a fork, too, so that no descriptor is between being opened and being known.
_changing = threading.RLock()


def open_held(path: Path, flags: int, mode: int = 0o666) -> int:
    """``os.open`` of a descriptor that children close.

    Raises:
        OSError: as ``os.open``.
    """
    with _changing:
        descriptor = os.open(path, flags | os.O_CLOEXEC, mode)
        _held.add(descriptor)
    return descriptor


def close_held(descriptor: int) -> None:
    """Unlock and close it.

    Raises:
        OSError: as ``os.close``.
    """
    with _changing:
        _held.discard(descriptor)
        with contextlib.suppress(OSError):  # no locks on this file system
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def _close_in_child() -> None:
    inherited = list(_held)
    _held.clear()
    for descriptor in inherited:
        with contextlib.suppress(OSError):
            os.close(descriptor)  # not unlocked: that would be the parent's lock
    _changing.release()


os.register_at_fork(
    before=_changing.acquire, after_in_parent=_changing.release, after_in_child=_close_in_child
)
