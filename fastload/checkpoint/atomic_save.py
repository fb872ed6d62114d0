"""``torch.save`` for files that must not be lost: all of the new file, or all of the old one."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from stat import S_ISREG
from typing import Any

import torch

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.record import make_info
from fastload.checkpoint.snapshot import plan_live
from fastload.checkpoint.temporary import remove_leftovers
from fastload.checkpoint.write_file import explain, replacing, write_file


def save(obj: object, f: Any, *args: Any, **kwargs: Any) -> None:
    """``torch.save``, except that a file is written aside, synced, and then put in place.

    Blocks until the file is on the disk. The file is one that ``torch.save`` would write, with
    checksums behind it (without them where further arguments ask for another pickle module or
    protocol). Open files and devices are left to ``torch.save`` itself.

    Args:
        obj: anything that ``torch.save`` takes.
        f: a path; a symbolic link is followed, and an existing file keeps its permissions.

    Raises:
        CheckpointError: the disk is full, or the folder missing or read-only; an older file is as
            it was.
        Exception: whatever pickling raises.
    """
    path = Path(os.path.realpath(f)) if isinstance(f, (str, os.PathLike)) else None
    if path is None or not _is_regular(path):
        torch.save(obj, f, *args, **kwargs)
        return
    ops = FileOps()
    try:
        remove_leftovers(path.parent, ops, path.name)
        if not args and not kwargs:
            write_file(replace(plan_live(obj), info=make_info(-1, 0, {})), path, ops)
            return
        with replacing(path, ops) as descriptor, os.fdopen(descriptor, "wb", closefd=False) as file:
            torch.save(obj, file, *args, **kwargs)
            file.flush()
            ops.sync(descriptor)
        ops.sync_folder(path.parent)
    except OSError as error:
        raise explain(error, path) from error


def _is_regular(path: Path) -> bool:
    try:
        return S_ISREG(path.stat().st_mode)
    except OSError:  # it is not there yet
        return True
