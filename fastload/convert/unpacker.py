"""``unpack``: gives every file of a store back, byte for byte."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastload import _core
from fastload.convert.findings import Finding, RefusedError, Severity, Tally
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.progress import Progress, Silent, Throttled
from fastload.convert.safe_folder import SafeFolder
from fastload.errors import DecodeError, StoreError
from fastload.store import Store

__all__ = ["UnpackReport", "unpack"]


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
        names = opened.names
        mtimes, modes = opened.column("source_mtime_ns"), opened.column("source_mode")
        hashes = opened.column("content_hash")

        def work(_ticket: int, index: int) -> tuple[bool, int] | RefusedError:
            try:
                data = opened.read_source(index)
                if _core.xxh3_128(data) != hashes[index].tobytes():
                    return RefusedError("restore", "not the bytes of the file that was packed")
                written = target.write(
                    names[index],
                    data,
                    mtime_ns=int(mtimes[index]),
                    mode=int(modes[index]),
                    overwrite=overwrite,
                )
            except RefusedError as refused:
                return refused
            except (StoreError, DecodeError) as error:
                return RefusedError("record", str(error))
            return written, len(data)

        count = workers or available_cores()
        shown = progress or Silent()
        shown.start("unpacking", len(opened))
        throttled = Throttled(shown)
        files = unchanged = file_bytes = 0
        for index, outcome in ordered(work, range(len(opened)), workers=count, window=64 * count):
            if isinstance(outcome, RefusedError):
                finding = outcome.finding(names[index])
                tally.add(finding)
                if on_finding is not None:
                    on_finding(finding)
                throttled.advance(1, 0)
                continue
            written, size = outcome
            files += written
            unchanged += not written
            file_bytes += size
            throttled.advance(1, size)
        throttled.flush()
        return UnpackReport(
            str(opened.path),
            target.root,
            files,
            unchanged,
            file_bytes,
            tally,
            time.monotonic() - started,
        )
