"""``unpack``: gives every file of a store back, byte for byte."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from fastload import _core
from fastload.convert.findings import Finding, RefusedError, Severity, Tally
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.progress import Progress, Silent, Throttled
from fastload.convert.safe_folder import SafeFolder
from fastload.errors import DecodeError, StoreError
from fastload.store import AttachedFile, Store

__all__ = ["UnpackReport", "unpack"]

#: Whether a file was written (or was there), and its bytes; or why not.
Outcome = tuple[bool, int] | Finding


@dataclass(frozen=True, slots=True)
class UnpackReport:
    """What ``unpack`` returns.

    Attributes:
        store: the store's path.
        folder: where the files went.
        files: those written.
        unchanged: those that were there already, with the same bytes.
        file_bytes: of both.
        tally: files that could not be given back, as problems, by kind.
        seconds: how long it took.
    """

    store: str
    folder: str
    files: int
    unchanged: int
    file_bytes: int
    tally: Tally
    seconds: float

    @property
    def problems_count(self) -> int:
        """Files that could not be given back."""
        return self.tally.count(Severity.PROBLEM)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "store": self.store,
            "folder": self.folder,
            "files": self.files,
            "unchanged": self.unchanged,
            "file_bytes": self.file_bytes,
            "problems_count": self.problems_count,
            "problems": self.tally.as_json(Severity.PROBLEM),
            "seconds": round(self.seconds, 3),
        }


def unpack(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> UnpackReport:
    """Write every original file of ``store`` below ``folder``: path, bytes, time, permissions.

    Photos, their label files, and the yaml, lists and the like that described them.

    Each file appears whole or not at all. A file that is there already with the same bytes counts
    as done, so an interrupted run is simply run again. Nothing is written outside ``folder``.

    Args:
        store: the store's file; it may be hostile.
        folder: made where it does not exist.
        overwrite: replace files that are there with other bytes.
        workers: threads; 0: as many as there are cores.
        progress: shown how far it is.
        on_finding: called with each file that could not be given back.

    Raises:
        StoreFormatError: not a store, or a damaged one.
        NoSpaceError: the disk is full.
    """
    started = time.monotonic()
    tally = Tally()
    target = SafeFolder(folder)
    with Store(store) as opened:
        unpacking = _Unpacking(opened, target, overwrite)
        count = workers or available_cores()
        shown = progress or Silent()
        shown.start("unpacking", len(opened))
        throttled = Throttled(shown)
        files = unchanged = file_bytes = 0
        photos = ordered(unpacking.sample, range(len(opened)), workers=count, window=64 * count)
        for outcomes in chain((outcomes for _, outcomes in photos), unpacking.attached()):
            for outcome in outcomes:
                if isinstance(outcome, Finding):
                    tally.add(outcome)
                    if on_finding is not None:
                        on_finding(outcome)
                    continue
                written, size = outcome
                files += written
                unchanged += not written
                file_bytes += size
            throttled.advance(1, sum(o[1] for o in outcomes if not isinstance(o, Finding)))
        throttled.flush()
        return UnpackReport(
            opened.location,
            target.root,
            files,
            unchanged,
            file_bytes,
            tally,
            time.monotonic() - started,
        )


class _Unpacking:
    """Writes what a store holds. Safe to use from many threads."""

    def __init__(self, store: Store, target: SafeFolder, overwrite: bool) -> None:
        self._store = store
        self._target = target
        self._overwrite = overwrite
        self._names = store.names
        self._mtimes, self._modes = store.column("source_mtime_ns"), store.column("source_mode")
        self._hashes = store.column("content_hash")

    def sample(self, _ticket: int, index: int) -> list[Outcome]:
        """The photo of a sample, and its label files where it has any."""
        name = self._names[index]
        outcomes = [self._try(name, lambda: self._photo(index))]
        try:
            files = self._store.label_files(index)
        except StoreError as error:
            return [*outcomes, Finding(name, Severity.PROBLEM, "record", str(error))]
        for file in files:
            write = partial(self._write, file.name, file.text, file.mtime_ns, file.mode)
            outcomes.append(self._try(file.name, write))
        return outcomes

    def attached(self) -> Iterator[list[Outcome]]:
        """The files that belong to no single photo."""
        header = self._store.header.annotations
        for number, file in enumerate(() if header is None else header.files):
            yield [self._try(file.name, partial(self._attached, number, file))]

    def _photo(self, index: int) -> tuple[bool, int]:
        data = self._store.read_source(index)
        if _core.xxh3_128(data) != self._hashes[index].tobytes():
            raise RefusedError("restore", "not the bytes of the file that was packed")
        mtime_ns, mode = int(self._mtimes[index]), int(self._modes[index])
        return self._write(self._names[index], data, mtime_ns, mode)

    def _attached(self, number: int, file: AttachedFile) -> tuple[bool, int]:
        data = self._store.read_file(number)
        return self._write(file.name, data, file.mtime_ns, file.mode)

    def _write(self, name: str, data: bytes, mtime_ns: int, mode: int) -> tuple[bool, int]:
        overwrite = self._overwrite
        written = self._target.write(name, data, mtime_ns=mtime_ns, mode=mode, overwrite=overwrite)
        return written, len(data)

    def _try(self, name: str, write: Callable[[], tuple[bool, int]]) -> Outcome:
        try:
            return write()
        except RefusedError as refused:
            return refused.finding(name)
        except (StoreError, DecodeError) as error:
            return Finding(name, Severity.PROBLEM, "record", str(error))
