"""What an update would lose: photos that the old store has and the source cannot be asked for."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastload.convert.counted import counted
from fastload.convert.findings import Finding, Severity
from fastload.convert.names import printable, source_path
from fastload.errors import PackError
from fastload.store import Store

__all__ = ["Losses"]

#: Kinds of problems that say nothing of a file but that it cannot be had now.
_AWAY = frozenset({"unreadable", "broken-link", "vanished"})


class Losses:
    """Stops an update that would drop photos because they cannot be read, not because they went.

    A disk that is not mounted, a folder without permission, and a disk that fails look to whoever
    lists them like photos that were deleted. What is away may come back; what an update has
    dropped does not, and the old store may have the last copy of it.

    Args:
        store: what is to be replaced.
        root: the source's folder.
        follows_links: its names may be those of files outside.
    """

    def __init__(self, store: Store, root: str, *, follows_links: bool) -> None:
        self._store = store
        self._root = root
        self._follows_links = follows_links
        # One name of each folder: those of a folder come and go together.
        self._folders: dict[str, str] = {}
        for name in store.names:
            self._folders.setdefault(name.rpartition("/")[0], name)

    def check_folders(self) -> None:
        """Looks at every folder that the store has photos of, before anything is packed.

        Raises:
            PackError: one is there and cannot be read, is a link that leads nowhere, or is empty,
                as the folder is on which a disk is mounted.
        """
        for name in self._folders.values():
            found = self._away(name)
            if found is not None:
                raise self._refusal(*found)

    def listener(self, note: Callable[[Finding], None]) -> Callable[[Finding], None]:
        """``note``, which raises PackError of a photo or folder that is away and in the store."""

        def heed(finding: Finding) -> None:
            note(finding)
            is_away = finding.severity is Severity.PROBLEM and finding.kind in _AWAY
            if is_away and self._count(finding.name):
                raise self._refusal(finding.name, finding.detail)

        return heed

    def _away(self, name: str) -> tuple[str, str] | None:
        """What keeps the file ``name`` from being had, and why; None where it is there or gone."""
        try:
            os.stat(self._path(name))
            return None
        except (FileNotFoundError, NotADirectoryError):
            above = name.rpartition("/")[0]
        except OSError as error:
            return name, error.strerror or str(error)
        while above and not os.path.lexists(self._path(above)):
            above = above.rpartition("/")[0]
        path = self._path(above)
        if not above or os.path.isfile(path):
            return None  # it is gone
        try:
            with os.scandir(path) as entries:
                is_empty = next(entries, None) is None
        except FileNotFoundError:
            return above, "a link that leads nowhere"
        except OSError as error:
            return above, error.strerror or str(error)
        return (above, "it is empty") if is_empty else None

    def _path(self, name: str) -> str:
        return source_path(self._root, name, self._follows_links)

    def _count(self, name: str) -> int:
        """Photos in the store that are the file ``name``, or lie in the folder or tar ``name``."""
        names, below = self._store.names, f"{name}/" if name else ""
        if names.find(name) is not None:
            return 1
        if not any(f"{folder}/".startswith(below) for folder in self._folders):
            return 0
        return sum(each.startswith(below) for each in names)

    def _refusal(self, name: str, reason: str) -> PackError:
        where = printable(self._path(name)) if name else printable(self._root)
        photos = counted(self._count(name), "photo")
        return PackError(
            f"{where}: cannot be read ({reason}), and an update would drop {photos} of it that "
            f"{self._store.path} has; nothing was published. Mount or mend it and run the same "
            "command again; or delete it, if its photos are to go; or pack anew with --overwrite"
        )
