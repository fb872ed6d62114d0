"""File names: which are images, how to print them, and which are safe to write to."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable

__all__ = [
    "IMAGE_EXTENSIONS",
    "NameCollisions",
    "has_extension",
    "is_path",
    "outside_name",
    "printable",
    "source_path",
    "unsafe_reason",
]

# torchvision.datasets.folder.IMG_EXTENSIONS, spelled out so that packing needs no torch; a test
# compares the two.
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


_OUTSIDE = "outside/"
_MAX_PATH_BYTES = 4096


def has_extension(name: str, extensions: tuple[str, ...] = IMAGE_EXTENSIONS) -> bool:
    """Whether torchvision's ImageFolder would take the file ``name`` for an image."""
    return name.lower().endswith(extensions)


def printable(name: str) -> str:
    r"""``name`` on one line, without anything that a terminal would act upon.

    Control characters, newlines and bytes that are no UTF-8 come out as ``\n`` or ``\xff``, as in
    a Python string.
    """
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(_escape(char) for char in name)


def _escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    if char == "\\":
        return "\\\\"
    return char if char.isprintable() else ascii(char)[1:-1]


def unsafe_reason(name: str) -> str | None:
    """Why a file of this name must not be written below a folder, or None where it may be.

    Names come from a store, which may be hostile: nothing may leave the folder.
    """
    if not name:
        return "the name is empty"
    if "\0" in name:
        return "the name holds a NUL byte"
    if name.startswith("/"):
        return "the name is an absolute path"
    parts = name.split("/")
    if ".." in parts:
        return "the name leads out of the folder by '..'"
    if "" in parts or "." in parts:
        return "the name has an empty or '.' component"
    return None


def is_path(text: str) -> bool:
    """Whether a text from a label file can be a path at all.

    It has no NUL, no half of a character, and no more bytes than Linux takes.
    """
    try:
        return bool(text) and "\0" not in text and len(os.fsencode(text)) < _MAX_PATH_BYTES
    except UnicodeEncodeError:
        return False


def outside_name(path: str) -> str:
    """The name in a store of a file that lies outside the data set, by its absolute path."""
    return _OUTSIDE + path.lstrip("/")


def source_path(root: str, name: str, follows_links: bool) -> str:
    """Where the file ``name`` of a data set lies: below ``root``, or outside where it may."""
    if follows_links and name.startswith(_OUTSIDE):
        outside = "/" + name[len(_OUTSIDE) :]
        return outside if os.path.lexists(outside) else os.path.join(root, name)
    return os.path.join(root, name)


class NameCollisions:
    """Finds names of one folder that other file systems would hold for the same."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def check(self, name: str) -> tuple[str, str] | None:
        """Returns (earlier name, "case" | "Unicode normalisation" | both), or None."""
        normal = name if name.isascii() else unicodedata.normalize("NFC", name)
        other = self._seen.setdefault(normal.casefold(), name)
        if other == name:
            return None
        if unicodedata.normalize("NFC", other) == normal:
            return other, "Unicode normalisation"
        return other, "case"

    def check_all(self, names: Iterable[str]) -> list[tuple[str, str, str]]:
        """(name, earlier name, in what they differ) for each collision among ``names``."""
        found = []
        for name in names:
            collision = self.check(name)
            if collision is not None:
                found.append((name, *collision))
        return found
