"""Several label files of one sample, kept as one.

The name of a bundle is the folder that the files' names are relative to, with "/" at its end: no
file is called so. Where they have no folder in common it is "./". Its text is a line of JSON,
``[[name, bytes, mtime_ns, mode], ...]``, and then the files' bytes, one behind the other.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fastload.errors import StoreFormatError
from fastload.store.labels import LabelFile

__all__ = ["bundle", "unbundle"]

_LIMIT = 1 << 63
_HERE = "./"


def bundle(files: Sequence[LabelFile]) -> LabelFile | None:
    """What keeps ``files``: none, the only one as it is, or a bundle of several.

    Args:
        files: with relative names; undecodable bytes of names by surrogateescape.
    """
    if len(files) < 2:
        return files[0] if files else None
    folder = _common_folder([file.name for file in files])
    rows = [[file.name[len(folder) :], len(file.text), file.mtime_ns, file.mode] for file in files]
    text = json.dumps(rows, separators=(",", ":")).encode("ascii") + b"\n"
    return LabelFile(
        folder or _HERE,
        text + b"".join(file.text for file in files),
        max(file.mtime_ns for file in files),
        files[0].mode,
    )


def unbundle(file: LabelFile | None) -> tuple[LabelFile, ...]:
    """The files that ``bundle`` was given.

    Raises:
        StoreFormatError: damaged.
    """
    if file is None:
        return ()
    if not file.name.endswith("/"):
        return (file,)
    folder = file.name
    if folder == _HERE or folder.endswith("/" + _HERE):  # with a prefix, that a merge gave it
        folder = folder.removesuffix(_HERE)
    head, _, data = file.text.partition(b"\n")
    found = []
    try:
        for name, size, mtime_ns, mode in json.loads(head):
            if not isinstance(name, str) or not _fits(size) or len(data) < size:
                raise ValueError("a name or a size")
            if not isinstance(mtime_ns, int) or abs(mtime_ns) >= _LIMIT or not _fits(mode):
                raise ValueError("a time or a mode")
            name.encode("utf-8", "surrogateescape")
            found.append(LabelFile(folder + name, data[:size], mtime_ns, mode))
            data = data[size:]
        if data:
            raise ValueError("bytes behind the last")
    except (ValueError, TypeError, RecursionError) as error:
        raise StoreFormatError(f"label files in {file.name!a}: {error}"[:300]) from error
    return tuple(found)


def _fits(value: object) -> bool:
    return type(value) is int and 0 <= value < _LIMIT


def _common_folder(names: Sequence[str]) -> str:
    """The folder that holds all, with "/" behind it."""
    first, last = min(names), max(names)
    same = 0
    while same < min(len(first), len(last)) and first[same] == last[same]:
        same += 1
    return first[: first.rfind("/", 0, same) + 1]
