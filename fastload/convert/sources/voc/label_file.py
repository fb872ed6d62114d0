"""The files of a VOC photo beside it: what they are called, and their bytes."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator

from fastload.convert.files import read_file
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError
from fastload.convert.sources.place import Place
from fastload.convert.walk import join
from fastload.store import LabelFile

__all__ = ["PHOTOS", "label_name", "read_label_file", "strays"]

PHOTOS = "JPEGImages"
_MAX_BYTES = 16 << 20


def label_name(photo: str, folder: str, ending: str) -> str:
    """The photo's file in another folder of its year."""
    within, _, base = photo.rpartition("/")
    year = within.removesuffix(PHOTOS).rstrip("/")
    return join(year, f"{folder}/{os.path.splitext(base)[0]}{ending}")


def read_label_file(place: Place, name: str) -> LabelFile | None:
    """A label file; None where there is none.

    Raises:
        LabelError: it cannot be read.
    """
    path = os.path.join(place.root, name)
    try:
        place.boundary.check(path)
        found = read_file(path, _MAX_BYTES)
    except RefusedError as refused:
        if refused.kind == "vanished":
            if os.path.islink(path):
                raise LabelError("a link that leads nowhere") from None
            return None
        raise LabelError(refused.detail) from None
    return LabelFile(name, found.data, found.mtime_ns, 0o100000 | found.mode)


def strays(place: Place, folder: str, ending: str, stems: Collection[str]) -> Iterator[Finding]:
    """A problem for each file of that ending in a folder whose stem is none of ``stems``."""
    try:
        bases = sorted(os.listdir(os.path.join(place.root, folder)))
    except OSError as error:
        detail = f"folder: {error.strerror}"
        yield Finding(folder, Severity.PROBLEM, "unreadable", detail)
        return
    for base in bases:
        stem, found = os.path.splitext(base)
        if found.lower() != ending:
            continue
        detail = "there is no photo of its name"
        if stem in stems:
            # A file system that does not tell them apart has read it under the other name.
            if os.path.lexists(os.path.join(place.root, folder, stem + ending)):
                continue
            detail = f"not read: expected the ending {ending}, found {found}"
        yield Finding(f"{folder}/{base}", Severity.PROBLEM, "label-without-photo", detail)
