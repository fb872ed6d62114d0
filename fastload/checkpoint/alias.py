"""Further names of a file that is already on the disk: "last" and "best"."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.temporary import create_temporary
from fastload.checkpoint.write_file import replacing

#: "copy": blocks are shared where the file system can (reflink), else copied; whoever rewrites one
#: name leaves the other alone. "link": one file with two names, for folders that only fastload
#: writes to.
AliasKind = Literal["copy", "link"]


def set_alias(source: Path, alias: Path, kind: AliasKind, ops: FileOps) -> None:
    """Give a file another name in the same folder, in one step; the folder is not synced.

    Raises:
        OSError: the name stands for what it stood for before.
    """
    reader = ops.open(source)
    try:
        if kind == "link":
            _link(source, reader, alias, ops)
            return
        with replacing(alias, ops) as descriptor:
            if not ops.clone(reader, descriptor):
                ops.copy(reader, descriptor)
            ops.sync(descriptor)
            ops.forget(descriptor)
    finally:
        ops.close(reader)


def _link(source: Path, reader: int, alias: Path, ops: FileOps) -> None:
    # A link needs a name that is free: a temporary one is, once its file is gone. The lock on what
    # it then names keeps others from clearing it away.
    ops.lock(reader)
    temporary, descriptor = create_temporary(alias, ops)
    ops.close(descriptor)
    ops.unlink(temporary)
    try:
        ops.link(source, temporary)
        ops.rename(temporary, alias)
    finally:
        # Renaming one link of a file over another of its links does nothing, and leaves both.
        with contextlib.suppress(OSError):
            ops.unlink(temporary)
