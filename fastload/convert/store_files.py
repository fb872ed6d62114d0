"""The files of a store, written below a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import MappingProxyType

from fastload import _core
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.originals import reduced_photos
from fastload.convert.safe_folder import Data, SafeFolder
from fastload.errors import DecodeError, StoreError
from fastload.records import Codec
from fastload.store import AttachedFile, Store

__all__ = ["Outcome", "StoreFiles"]

#: Whether a file was written (or was there), and its bytes; or what there is to say.
Outcome = tuple[bool, int] | Finding


class StoreFiles:
    """Writes what a store holds, as it came. Safe to use from many threads.

    Args:
        store: it.
        target: where to.
        overwrite: replace files that are there with other bytes; but none by a photo that was
            reduced, which it may be the original of.

    Attributes:
        root: the folder.
    """

    #: Nothing: every file comes back.
    lost: Mapping[str, int] = MappingProxyType({})

    def __init__(self, store: Store, target: SafeFolder, overwrite: bool) -> None:
        self._store = store
        self._target = target
        self._overwrite = overwrite
        self.root = target.root
        self._names = store.names
        self._mtimes, self._modes = store.column("source_mtime_ns"), store.column("source_mode")
        self._hashes = store.column("content_hash")
        self._codecs, self._reduced = store.column("codec"), reduced_photos(store)

    def sample(self, _ticket: int, index: int) -> list[Outcome]:
        """The photo of a sample, and its label files where it has any."""
        name = self._names[index]
        outcomes = [self.attempt(name, lambda: self.photo(index))]
        try:
            files = self._store.label_files(index)
        except StoreError as error:
            return [*outcomes, Finding(name, Severity.PROBLEM, "record", str(error))]
        for file in files:
            write = partial(self.write, file.name, file.text, file.mtime_ns, file.mode)
            outcomes.append(self.attempt(file.name, write))
        return outcomes

    def rest(self) -> Iterator[list[Outcome]]:
        """The files that belong to no single photo."""
        header = self._store.header.annotations
        for number, file in enumerate(() if header is None else header.files):
            yield [self.attempt(file.name, partial(self._attached, number, file))]

    def photo(self, index: int, name: str | None = None) -> tuple[bool, int]:
        """Write a photo's own file, under its own name or another."""
        if self._codecs[index] == Codec.RAW:
            raise RefusedError(
                "raw", "the store has its pixels only, as --format raw asked; its file is not there"
            )
        data = self._store.read_source(index)
        if _core.xxh3_128(data) != self._hashes[index].tobytes():
            raise RefusedError("restore", "not the bytes of the file that was packed")
        mtime_ns, mode = int(self._mtimes[index]), int(self._modes[index])
        name = self._names[index] if name is None else name
        if not self._reduced[index]:
            return self.write(name, data, mtime_ns, mode)
        try:
            written = self._target.write(name, data, mtime_ns=mtime_ns, mode=mode)
        except RefusedError as refused:
            if refused.kind != "exists":
                raise
            raise RefusedError(
                "exists",
                "another file has this name, perhaps the original of this smaller photo, which is "
                "never put in its place; unpack into another folder",
            ) from None
        return written, len(data)

    def _attached(self, number: int, file: AttachedFile) -> tuple[bool, int]:
        data = self._store.read_file(number)
        return self.write(file.name, data, file.mtime_ns, file.mode)

    def write(self, name: str, data: Data, mtime_ns: int, mode: int) -> tuple[bool, int]:
        """Write a file whole: whether it was not there yet, and its size; see ``SafeFolder``."""
        overwrite = self._overwrite
        written = self._target.write(name, data, mtime_ns=mtime_ns, mode=mode, overwrite=overwrite)
        return written, sum(map(len, data())) if callable(data) else len(data)

    def attempt(self, name: str, write: Callable[[], tuple[bool, int]]) -> Outcome:
        """What ``write`` returns, or why the file ``name`` cannot be written."""
        try:
            return write()
        except RefusedError as refused:
            return refused.finding(name)
        except (StoreError, DecodeError) as error:
            return Finding(name, Severity.PROBLEM, "record", str(error))
