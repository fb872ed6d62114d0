"""A plan becomes a file: all of it, on the disk, or nothing under its name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.plan import FilePlan
from fastload.checkpoint.safetensors_file import write_safetensors_file
from fastload.checkpoint.sink import Sink
from fastload.checkpoint.temporary import create_temporary
from fastload.checkpoint.torch_file import write_torch_file
from fastload.disk import NO_SPACE
from fastload.errors import CheckpointError

_NO_RIGHT = {errno.EACCES, errno.EPERM, errno.EROFS}


def write_file(plan: FilePlan, path: Path, ops: FileOps, *, forget: bool = False) -> None:
    """Write a resolved plan: temporary name, fsync, rename, fsync of the folder.

    Args:
        path: a file there is replaced, and keeps its permissions.
        forget: drop the file from the page cache.

    Raises:
        OSError: nothing was changed under ``path`` then, unless the last fsync, that of the folder,
            is what failed.
    """
    with replacing(path, ops) as descriptor:
        sink = Sink(lambda data: ops.write(descriptor, data))
        if plan.format == "torch":
            write_torch_file(plan, sink)
        else:
            write_safetensors_file(plan, sink)
        ops.sync(descriptor)
        if forget:
            ops.forget(descriptor)
    ops.sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path, ops: FileOps) -> Iterator[int]:
    """A descriptor of a temporary file that becomes ``path`` unless the block raises."""
    temporary, descriptor = create_temporary(path, ops)
    renamed = False
    try:
        with contextlib.suppress(OSError):
            os.fchmod(descriptor, path.stat().st_mode & 0o7777)
        yield descriptor
        ops.rename(temporary, path)
        renamed = True
    finally:
        if not renamed:
            with contextlib.suppress(OSError):
                ops.unlink(temporary)
        with contextlib.suppress(OSError):  # everything that counts is synced by now
            ops.close(descriptor)


def explain(error: OSError, path: Path, what: str = "the checkpoint") -> CheckpointError:
    """The error of the system, with what, where and what to do."""
    where = f"{what} {path} failed"
    if error.errno in NO_SPACE:
        remedy = "no space left (or above a quota or limit on file sizes); make room, save again"
    elif error.errno in _NO_RIGHT:
        remedy = "the folder must be writable"
    elif error.errno == errno.ENOENT:
        remedy = "its folder is gone; make it again"
    else:
        remedy = "the disk or file system reports this; check it before going on"
    said = error.strerror or str(error)
    return CheckpointError(f"{where}: {said}: {remedy}. Earlier checkpoints are as they were.")
