"""The border of a data set: what lies outside is not read unless the user asks for it."""

from __future__ import annotations

import os

from fastload.convert.findings import RefusedError

__all__ = ["Boundary"]


class Boundary:
    """Tells paths inside a folder, links followed, from those outside. Safe for many threads.

    Args:
        root: the folder.
        follow_links: everything may be read.
    """

    def __init__(self, root: str, *, follow_links: bool = False) -> None:
        self.root = os.path.abspath(root)
        self._real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self._real_folders: dict[str, str] = {}  # a path a folder, so that files cost one look each

    def real(self, path: str) -> str:
        """``os.path.realpath``, with folders remembered."""
        folder, base = os.path.split(path)
        real_folder = self._real_folders.get(folder)
        if real_folder is None:
            real_folder = self._real_folders[folder] = os.path.realpath(folder)
        real = os.path.join(real_folder, base)
        return os.path.realpath(real) if os.path.islink(real) else real

    def holds(self, path: str) -> bool:
        """Whether what ``path`` leads to lies in the folder."""
        real = self.real(path)
        return real == self._real_root or real.startswith(self._real_root.rstrip("/") + "/")

    def check(self, path: str) -> None:
        """Refuses what lies outside, unless links are followed.

        Raises:
            RefusedError: it does.
        """
        if not self.follow_links and not self.holds(path):
            raise RefusedError(
                "link-out", f"it leads to {self.real(path)!a}; --follow-links follows it"
            )

    def name(self, path: str) -> str | None:
        """The path below the folder as it is written, or None where it leads out of it."""
        name = os.path.relpath(os.path.normpath(path), self.root)
        return None if name == ".." or name.startswith("../") else name
