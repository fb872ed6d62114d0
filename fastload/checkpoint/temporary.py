"""Files under temporary names: whose they are, and clearing away those of killed runs.

``.NAME.HOST.PID.NUMBER.fastload-tmp``, in the folder of the file it will become. Its writer holds
the file's lock as long as it lives. What can be locked, and names no living process of this host,
was left behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import socket
from pathlib import Path

from fastload import _core
from fastload.checkpoint.file_ops import FileOps

_SUFFIX = ".fastload-tmp"
_NAME = re.compile(r"\.(?P<name>.+)\.(?P<host>[^.]*)\.(?P<pid>\d+)\.\d+\.fastload-tmp", re.DOTALL)
_numbers = itertools.count()
#: Of 255 that file systems allow; host, process id, number and ending take the rest.
_MOST_NAME_BYTES = 120


def create_temporary(target: Path, ops: FileOps) -> tuple[Path, int]:
    """A new, empty, locked file beside ``target``: (path, descriptor).

    Raises:
        OSError: the folder is missing, read-only or full.
    """
    while True:
        name = f".{_label(target.name)}.{_host()}.{os.getpid()}.{next(_numbers)}{_SUFFIX}"
        path = target.with_name(name)
        with contextlib.suppress(FileExistsError):
            descriptor = ops.create(path)
            ops.lock(descriptor)
            # Someone who clears away may have come between the two lines above.
            if os.fstat(descriptor).st_nlink:
                return path, descriptor
            ops.close(descriptor)


def remove_leftovers(folder: Path, ops: FileOps, name: str = "") -> list[Path]:
    """Take away temporary files whose writer is gone; those that were.

    Args:
        name: only those of this target; all in the folder where empty.
    """
    removed = []
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(_SUFFIX)]
    for found in names:
        parts = _NAME.fullmatch(found)
        if parts is None or (name and parts["name"] != _label(name)):
            continue
        path = folder / found
        if _remove_abandoned(path, parts["host"], int(parts["pid"]), ops):
            removed.append(path)
    return removed


def _remove_abandoned(path: Path, host: str, pid: int, ops: FileOps) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:  # no locks on this file system
            if host != _host() or _lives(pid):
                return False
        # Under the lock: who has just made the file waits for it, and then sees it gone.
        with contextlib.suppress(FileNotFoundError):
            ops.unlink(path)
        return True
    finally:
        os.close(descriptor)


def _label(name: str) -> str:
    """A name that leaves room for what is put around it."""
    data = os.fsencode(name)
    return name if len(data) <= _MOST_NAME_BYTES else f"{_core.xxh3_64(data):016x}"


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())[:64]
