"""Text that is gathered from many threads, in order, and not in memory."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from typing import IO

from fastload.disk import NO_SPACE
from fastload.errors import NoSpaceError

__all__ = ["Spool"]

_PIECE_BYTES = 1 << 20


class Spool:
    """Texts by a number and the name of a list; those of a list are joined in order of the numbers.

    They wait in files without a name, which are gone when this is closed. Safe to use from many
    threads.

    Args:
        folder: where the files lie.
        separator: stands between two texts.
    """

    def __init__(self, folder: str, separator: bytes) -> None:
        self._folder = folder
        self._separator = separator
        self._lock = threading.Lock()
        self._waiting: dict[int, dict[str, bytes]] = {}
        self._next = 0
        self._files: dict[str, IO[bytes]] = {}

    def add(self, number: int, texts: dict[str, bytes]) -> None:
        """The texts of a number: by list, empty ones left out. Every number from 0 has its turn.

        Raises:
            NoSpaceError: the disk is full.
        """
        with self._lock:
            self._waiting[number] = texts
            try:
                while self._next in self._waiting:
                    for name, text in self._waiting.pop(self._next).items():
                        if text:
                            self._append(name, text)
                    self._next += 1
            except OSError as error:
                if error.errno in NO_SPACE:
                    raise NoSpaceError(
                        f"{self._folder}: no space left; make room, and run it again"
                    ) from error
                raise

    def pieces(self, name: str) -> Iterator[bytes]:
        """The joined text of a list, after all were added."""
        file = self._files.get(name)
        if file is not None:
            file.seek(0)
            yield from iter(lambda: file.read(_PIECE_BYTES), b"")

    def close(self) -> None:
        """Give the files back."""
        with self._lock:
            for file in self._files.values():
                file.close()

    def _append(self, name: str, text: bytes) -> None:
        file = self._files.get(name)
        if file is None:
            file = self._files[name] = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
        else:
            file.write(self._separator)
        file.write(text)
