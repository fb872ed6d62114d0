"""Files that a command is asked to write beside a store."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from fastload.disk import NO_SPACE
from fastload.errors import NoSpaceError, PackError

__all__ = ["output_errors", "picture_format", "write_output"]


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


@contextmanager
def output_errors(path: str | os.PathLike[str]) -> Iterator[None]:
    """Errors of the system become those of packing, which name the file that is written.

    Raises:
        NoSpaceError: the disk, the quota or the limit on file sizes is full.
        PackError: it cannot be written for another reason.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # whoever read it has gone, which is no error of the disk
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in NO_SPACE:
            raise NoSpaceError(
                f"{path}: no space left ({reason}); make room, or write it to another disk"
            ) from error
        raise PackError(
            f"{path}: cannot be written: {reason}; check its folder, or write it to another place"
        ) from error


def write_output(path: str | os.PathLike[str], data: bytes, store: str | os.PathLike[str]) -> None:
    """Make or replace the file ``path``, whole or not at all; never the store itself.

    Raises:
        NoSpaceError: its disk is full.
        PackError: it is the store, or cannot be written.
    """
    target = Path(path)
    if os.path.exists(store) and target.exists() and target.samefile(store):
        raise PackError(f"{target}: is the store itself; choose another name")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        with output_errors(target):
            temporary.write_bytes(data)
            os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
