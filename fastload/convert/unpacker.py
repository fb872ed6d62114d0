"""``unpack``: gives every file of a store back, byte for byte."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.layouts import TARGET_LAYOUTS, Relayout
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.progress import Progress, Silent, Throttled
from fastload.convert.safe_folder import SafeFolder
from fastload.convert.store_files import StoreFiles
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
        tally: files that could not be given back, as problems, by kind; as notes, what the layout
            cannot hold.
        seconds: how long it took.
        layout: that labels were written in; "": all is as it came.
        lost: what that layout cannot hold, in words, and how much of it there was.
    """

    store: str
    folder: str
    files: int
    unchanged: int
    file_bytes: int
    tally: Tally
    seconds: float
    layout: str = ""
    lost: dict[str, int] = field(default_factory=dict)

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
            "layout": self.layout,
            "lost": self.lost,
            "notes": self.tally.as_json(Severity.NOTE),
            "seconds": round(self.seconds, 3),
        }


def unpack(
    store: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    layout: str = "",
    overwrite: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> UnpackReport:
    """Write every original file of ``store`` below ``folder``: path, bytes, time, permissions.

    Photos, their label files, and the yaml, lists and the like that described them; or, with
    ``layout``, the photos, and their labels as another layout has them. What that cannot hold is
    told and counted.

    Each file appears whole or not at all. A file that is there already with the same bytes counts
    as done, so an interrupted run is simply run again. Nothing is written outside ``folder``.

    Args:
        store: the store's file; it may be hostile.
        folder: made where it does not exist.
        layout: "yolo", "coco" or "voc"; "": all as it came.
        overwrite: replace files that are there with other bytes.
        workers: threads; 0: as many as there are cores.
        progress: shown how far it is.
        on_finding: called with each file that could not be given back, and with what the layout
            cannot hold.

    Raises:
        PackError: ``layout``, and the store has no labels of objects.
        ValueError: ``layout`` is none of the above.
        StoreFormatError: not a store, or a damaged one.
        NoSpaceError: the disk is full.
    """
    if layout and layout not in TARGET_LAYOUTS:
        raise ValueError(f"layout: expected one of {TARGET_LAYOUTS}, found {layout!r}")
    started = time.monotonic()
    tally = Tally()
    target = SafeFolder(folder)
    with ExitStack() as stack:
        opened = stack.enter_context(Store(store))
        own = StoreFiles(opened, target, overwrite)
        unpacking: StoreFiles | Relayout = own
        if layout:
            unpacking = stack.enter_context(closing(Relayout(opened, own, layout)))
        count = workers or available_cores()
        shown = progress or Silent()
        shown.start("unpacking", len(opened))
        throttled = Throttled(shown)
        files = unchanged = file_bytes = 0
        photos = ordered(unpacking.sample, range(len(opened)), workers=count, window=64 * count)
        for outcomes in chain((outcomes for _, outcomes in photos), unpacking.rest()):
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
            layout,
            dict(unpacking.lost),
        )
