"""Files under a URL: read in ranges through fsspec, and tried again where that may help."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastload.errors import MissingLibraryError, StoreError

__all__ = ["RemoteFiles"]

#: Ranges of one file that are asked for at once, and their size.
_RANGES = 4
_RANGE_BYTES = 8 << 20
_ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.3
_LONGEST_WAIT_SECONDS = 20.0
#: HTTP's answers that another try may change.
_PASSING = frozenset({408, 425, 429})


class RemoteFiles:
    """The files of a folder at a URL. Safe to use from many threads, and in forked children.

    Args:
        url: such as ``https://host/set/`` or ``s3://bucket/set/``.

    Raises:
        MissingLibraryError: fsspec, or what it needs for this kind of URL, is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._connect()

    def beginning(self, name: str, most_bytes: int) -> bytes:
        """The first bytes of a file, or all of it.

        Raises:
            FileNotFoundError: there is none of that name.
            StoreError: it cannot be read.
        """
        return self._tried(name, lambda: self._ranges(name, [(0, most_bytes)]))[0][:most_bytes]

    def parts(self, name: str, size_bytes: int) -> Iterator[bytes]:
        """The bytes of a file of that size, some megabytes at a time.

        Raises:
            FileNotFoundError: there is none of that name.
            StoreError: it cannot be read, or has another size.
        """
        step = _RANGES * _RANGE_BYTES
        for start in range(0, size_bytes, step):
            end = min(start + step, size_bytes)
            ranges = [(at, min(at + _RANGE_BYTES, end)) for at in range(start, end, _RANGE_BYTES)]
            yield from self._tried(name, lambda ranges=ranges: self._whole_ranges(name, ranges))

    def _whole_ranges(self, name: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        found = self._ranges(name, ranges)
        for (start, end), part in zip(ranges, found, strict=True):
            if len(part) > end - start:
                raise StoreError(
                    f"{self.url}/{name}: asked for {end - start} bytes from {start}, got "
                    f"{len(part)}: expected a server that answers requests for ranges of bytes"
                )
            if len(part) < end - start:
                raise EOFError(
                    f"expected {end - start} bytes from {start}, got {len(part)}: cut short"
                )
        return found

    def _ranges(self, name: str, ranges: list[tuple[int, int]]) -> list[bytes]:
        system, root = self._connect()
        path = f"{root.rstrip('/')}/{name}"
        starts, ends = zip(*ranges, strict=True)
        found: list[bytes] = system.cat_ranges(
            [path] * len(ranges), list(starts), list(ends), on_error="raise"
        )
        return found

    def _connect(self) -> tuple[Any, str]:
        """The file system, which fsspec keeps for each thread and process, and the folder in it."""
        try:
            from fsspec.core import url_to_fs

            system, root = url_to_fs(self.url)
            return system, str(root)
        except (ImportError, ValueError) as error:
            raise MissingLibraryError(
                f"{self.url}: stores at a URL are read through fsspec: {error}. "
                "pip install 'fastload[remote]'; for s3://, also s3fs; for gs://, also gcsfs"
            ) from error

    def _tried(self, name: str, read: Any) -> list[bytes]:
        try:
            from tenacity import (
                Retrying,
                retry_if_exception,
                stop_after_attempt,
                wait_random_exponential,
            )
        except ImportError as error:
            raise MissingLibraryError(
                f"{self.url}: {error}. pip install 'fastload[remote]'"
            ) from error
        retrying = Retrying(
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_random_exponential(_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS),
            retry=retry_if_exception(_may_pass),
            reraise=True,
        )
        try:
            found: list[bytes] = retrying(read)
            return found
        except (FileNotFoundError, StoreError):
            raise
        except Exception as error:  # of any library behind fsspec
            raise StoreError(
                f"{self.url}/{name}: cannot be fetched, after up to {_ATTEMPTS} attempts: "
                f"{type(error).__name__}: {error}; check the connection and your rights, and "
                "run again: what was fetched stays"
            ) from error


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may go better."""
    if not isinstance(error, Exception) or isinstance(
        error, (FileNotFoundError, PermissionError, StoreError)
    ):
        return False
    status = getattr(error, "status", None)
    return not (isinstance(status, int) and 400 <= status < 500 and status not in _PASSING)
