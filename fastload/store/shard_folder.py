"""Where the files of a sharded store are: a folder here, or a remote one and its cache."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from fastload.errors import StoreFormatError
from fastload.store.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, ManifestFile
from fastload.store.reader import Store

__all__ = ["LocalFolder", "ShardFolder", "shard_folder"]


class ShardFolder(Protocol):
    """Where the files of a sharded store are.

    Attributes:
        location: absolute path, or URL.
        is_remote: files have to be brought before they can be opened.
        limit_bytes: how much may be here at a time; 0 where nothing is brought.
    """

    location: str
    is_remote: bool
    limit_bytes: int

    def manifest(self) -> bytes:
        """The bytes of the manifest."""
        ...

    def open(self, file: ManifestFile, release: Callable[[], bool] = ...) -> Store:
        """One file, open; brought here where it is not.

        Args:
            file: its entry in the manifest.
            release: lets go of a file that is open, to make room; False where there is none.

        Raises:
            StoreFormatError: it is not what the manifest says.
            OSError, StoreError: it cannot be had.
        """
        ...

    def bring(self, file: ManifestFile) -> None:
        """Have a file here that will be needed soon, where there is room for it."""
        ...

    def mend(self, file: ManifestFile) -> bool:
        """Whether a file that gave damaged bytes was only a damaged copy, which is gone now."""
        ...


class LocalFolder:
    """A folder on this machine; implements ``ShardFolder``."""

    is_remote = False
    limit_bytes = 0

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder).absolute()
        self.location = str(self._folder)

    def manifest(self) -> bytes:
        path = self._folder / MANIFEST_NAME
        try:
            with open(path, "rb") as file:
                return file.read(MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError as error:
            raise StoreFormatError(
                f"{self._folder}: expected a store: a file, or a folder with a {MANIFEST_NAME}, "
                "found a folder without; if shards are being packed here, that has not finished: "
                "run the same command again"
            ) from error

    def open(self, file: ManifestFile, release: Callable[[], bool] | None = None) -> Store:  # noqa: ARG002
        path = self._folder / file.name
        try:
            found_bytes = path.stat().st_size
        except FileNotFoundError as error:
            raise FileNotFoundError(
                errno.ENOENT,
                "not there, though the manifest names it; if the store was updated since it was "
                "opened, open it again",
                str(path),
            ) from error
        if found_bytes != file.bytes:
            raise StoreFormatError(
                f"{path}: expected {file.bytes} bytes, as the manifest says, found {found_bytes}; "
                "copy the folder again"
            )
        return Store(path)

    def bring(self, file: ManifestFile) -> None:
        pass

    def mend(self, file: ManifestFile) -> bool:  # noqa: ARG002 -- there is only this one
        return False


def shard_folder(
    path: str | os.PathLike[str], cache_dir: str | os.PathLike[str] | None, cache_bytes: int | None
) -> ShardFolder:
    """Where the sharded store at a path or URL has its files."""
    if "://" not in os.fspath(path):
        return LocalFolder(path)
    from fastload.store.shard_cache import ShardCache  # wants fsspec

    return ShardCache(os.fspath(path), cache_dir, cache_bytes)
