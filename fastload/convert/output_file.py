"""Files that a command is asked to write beside a store."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from PIL import Image

from fastload.errors import PackError

__all__ = ["picture_format", "write_output"]


def picture_format(path: str | os.PathLike[str]) -> str:
    """The format that Pillow writes for the ending of a file's name, such as "PNG".

    Raises:
        PackError: none.
    """
    Image.init()
    ending = Path(path).suffix.lower()
    found = Image.registered_extensions().get(ending)
    if found is None or found not in Image.SAVE:
        raise PackError(f"{path}: expected a picture's name, such as sheet.png, found {ending!r}")
    return found


def write_output(path: str | os.PathLike[str], data: bytes, store: str | os.PathLike[str]) -> None:
    """Make or replace the file ``path``, whole or not at all; never the store itself.

    Raises:
        PackError: it is the store.
        OSError: it cannot be written.
    """
    target = Path(path)
    if os.path.exists(store) and target.exists() and target.samefile(store):
        raise PackError(f"{target}: is the store itself; choose another name")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
