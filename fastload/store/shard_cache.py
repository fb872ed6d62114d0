"""``ShardCache``: files of a remote store, kept in a folder of bounded size.

Files are named by their SHA-256, so that stores, processes and runs share them. Who reads one holds
``flock(LOCK_SH)`` on it, in whichever process; who puts one out needs ``LOCK_EX``, and so never
gets one that someone reads. A file grows under a partial name, on which who fetches it holds
``LOCK_EX``; it takes its name when its hash was compared and it is on the disk.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fastload.disk import NO_SPACE, fsync_folder
from fastload.errors import NoSpaceError, StoreError, StoreFormatError
from fastload.store.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, ManifestFile, file_sha256
from fastload.store.reader import Store
from fastload.store.remote_files import RemoteFiles

__all__ = ["ShardCache"]

_LOCK_NAME = ".lock"
_PARTIAL = ".partial"
#: A file that does not hash to what the manifest says is fetched so often.
_FETCHES = 3
#: So long others are given to finish with what they read, where that alone would make room.
_PATIENCE_SECONDS = 30.0
_LOOK_SECONDS = 0.05
_ASK_SECONDS = 0.01

#: Lets go of one file that is open here; False where there is none.
Release = Callable[[], bool]


def _keep() -> bool:
    return False


class ShardCache:
    """A remote folder and its cache; implements ``ShardFolder``. Safe for threads and processes.

    Args:
        url: of the folder with the manifest.
        cache_dir: made where it does not exist; None: ``fastload`` in the user's cache folder.
        cache_bytes: of all files in it; None: what it has, and half of what its disk has free.

    Raises:
        MissingLibraryError: fsspec is not installed.
        OSError: the folder cannot be made.
    """

    is_remote = True

    def __init__(
        self, url: str, cache_dir: str | os.PathLike[str] | None, cache_bytes: int | None
    ) -> None:
        self.location = url
        self._remote = RemoteFiles(url)
        self._folder = Path(cache_dir).absolute() if cache_dir is not None else _default_folder()
        self._folder.mkdir(parents=True, exist_ok=True)
        if cache_bytes is None:
            cache_bytes = self._used_bytes() + shutil.disk_usage(self._folder).free // 2
        if cache_bytes < 1:
            raise ValueError(f"cache_bytes: expected 1 or more, found {cache_bytes}")
        self.limit_bytes = cache_bytes

    def manifest(self) -> bytes:
        """The manifest, as it is now."""
        try:
            return self._remote.beginning(MANIFEST_NAME, MAX_MANIFEST_BYTES + 1)
        except FileNotFoundError as error:
            raise StoreFormatError(
                f"{self.location}: expected the folder of a sharded store, found no "
                f"{MANIFEST_NAME} there"
            ) from error

    def open(self, file: ManifestFile, release: Release = _keep) -> Store:
        """One file, from the cache or brought there; nobody puts it out while the store is open.

        Raises:
            StoreError: it cannot be fetched, is not what the manifest says, or has no room.
            NoSpaceError: the cache's disk is full.
        """
        while True:
            store = self._open_cached(file) or self._fetch(file, release, _PATIENCE_SECONDS)
            if store is not None:
                return store

    def bring(self, file: ManifestFile) -> None:
        """Have a file in the cache soon needed, where there is room without closing anything.

        Raises:
            StoreError, OSError: as ``open``.
        """
        if not self._path(file).exists():
            self._fetch(file, _keep, 0.0)

    def mend(self, file: ManifestFile) -> bool:
        """Whether a file that gave damaged bytes was only a damaged copy, which is gone now."""
        path = self._path(file)
        try:
            if file_sha256(path) == file.sha256:
                return False  # it is damaged where it comes from
        except OSError:
            return True
        with suppress(FileNotFoundError):
            path.unlink()
        return True

    def _path(self, file: ManifestFile) -> Path:
        return self._folder / f"{file.sha256}.lmdb"

    def _open_cached(self, file: ManifestFile) -> Store | None:
        path = self._path(file)
        try:
            store = Store(path)
            # Waits for moments: while it gets its name, or is found to be in nobody's use.
            fcntl.flock(store.fileno(), fcntl.LOCK_SH)
        except FileNotFoundError:
            return None
        except StoreFormatError:
            with suppress(FileNotFoundError):
                path.unlink()  # damaged; fetched again, where it came so from there, that shows
            return None
        if not _is_at(store.fileno(), path):
            return None
        if store.store_bytes != file.bytes:
            path.unlink(missing_ok=True)
            return None
        os.utime(path)
        return store

    def _fetch(self, file: ManifestFile, release: Release, patience_seconds: float) -> Store | None:
        """Bring a file, open so that it cannot be put out again first; None: someone else did."""
        path, partial = self._path(file), self._path(file).with_suffix(_PARTIAL)
        with _locked(partial) as descriptor:
            if path.exists():  # someone else has brought it meanwhile
                partial.unlink()
                return None
            try:
                self._make_room(file, descriptor, release, patience_seconds)
                for attempt in range(_FETCHES):
                    if self._copy(file, descriptor):
                        break
                    if attempt == _FETCHES - 1:
                        raise StoreFormatError(
                            f"{self._remote.url}/{file.name}: fetched {_FETCHES} times, and each "
                            f"time its SHA-256 was not {file.sha256}, as the manifest says; it, or "
                            "the manifest, is damaged"
                        )
                os.fsync(descriptor)
                os.rename(partial, path)
                fsync_folder(self._folder)
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # for readers, and against putting it out
                store = Store(path)
                fcntl.flock(store.fileno(), fcntl.LOCK_SH)
                return store
            except OSError as error:
                partial.unlink(missing_ok=True)
                if error.errno in NO_SPACE:
                    raise self._full(file) from error
                raise
            except BaseException:
                partial.unlink(missing_ok=True)
                raise

    def _copy(self, file: ManifestFile, descriptor: int) -> bool:
        """Whether the bytes that came hash to what they should."""
        digest, at = hashlib.sha256(), 0
        for part in self._remote.parts(file.name, file.bytes):
            digest.update(part)
            view = memoryview(part)
            while view:
                written = os.pwrite(descriptor, view, at)
                at, view = at + written, view[written:]
        return digest.hexdigest() == file.sha256

    def _make_room(
        self, file: ManifestFile, descriptor: int, release: Release, patience_seconds: float
    ) -> None:
        """Reserve a file's bytes, putting out others, the longest unused first."""
        ends = time.monotonic() + patience_seconds
        while True:
            if file.bytes <= self.limit_bytes:
                with _locked(self._folder / _LOCK_NAME):
                    if self._put_out(self._used_bytes() + file.bytes - self.limit_bytes):
                        os.ftruncate(descriptor, file.bytes)  # someone's longer rest may be there
                        if file.bytes:
                            os.posix_fallocate(descriptor, 0, file.bytes)
                        return
                if release():
                    continue
            if file.bytes > self.limit_bytes or time.monotonic() >= ends:
                raise StoreError(
                    f"{self._folder}: no room for {file.name} of {self.location}: expected "
                    f"{file.bytes} bytes, found a cache of {self.limit_bytes} (cache_bytes), of "
                    f"which {self._used_bytes()} are in use; make it larger: at least one shard "
                    "for each process that reads, and the file of columns"
                )
            time.sleep(_LOOK_SECONDS)

    def _put_out(self, excess_bytes: int) -> bool:
        """Whether so many bytes could be freed, or need not be."""
        for _, size, path in sorted(self._files()):
            if excess_bytes <= 0:
                return True
            if _remove_unused(path):
                excess_bytes -= size
        return excess_bytes <= 0

    def _files(self) -> Iterator[tuple[int, int, Path]]:
        """Last use, size and path of each file."""
        for path in self._folder.iterdir():
            if path.suffix in (".lmdb", _PARTIAL):
                with suppress(FileNotFoundError):
                    status = path.stat()
                    yield status.st_mtime_ns, status.st_size, path

    def _used_bytes(self) -> int:
        return sum(size for _, size, _ in self._files())

    def _full(self, file: ManifestFile) -> NoSpaceError:
        return NoSpaceError(
            f"{self._folder}: no space left on the disk or quota for {file.bytes} bytes of "
            f"{file.name}; make room, or name another folder (cache_dir) or fewer bytes "
            "(cache_bytes)"
        )


def _default_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base, "fastload").absolute()


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The descriptor of a file, made where it is not, that nobody else has locked.

    Whoever has it may give it another name, under which it is then locked for as long as it is
    read: so this asks again and again, and never waits for a file that is not ``path`` any more.
    It is unlocked by name in the end: a child that was forked meanwhile has the descriptor as well,
    and closing it here alone would leave the lock.
    """
    descriptor = -1
    try:
        while True:
            if descriptor < 0:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            locked = _try_lock(descriptor)
            if not _is_at(descriptor, path):
                os.close(descriptor)
                descriptor = -1
            elif locked:
                break
            else:
                time.sleep(_ASK_SECONDS)
        yield descriptor
    finally:
        if descriptor >= 0:
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_unused(path: Path) -> bool:
    """Whether a file was nobody's, and is gone."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        unused = _try_lock(descriptor) and _is_at(descriptor, path)
        if unused:
            path.unlink(missing_ok=True)
        return unused
    finally:
        os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False
