"""``pack``: a folder of photos becomes a store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.job import PackJob
from fastload.convert.names import printable
from fastload.convert.options import PackOptions
from fastload.convert.originals import original_columns
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress, Silent
from fastload.convert.sources import Source, find_source
from fastload.convert.summary import (
    Contents,
    ProblemsFoundError,
    Summary,
    misnamed,
    unlabelled,
)
from fastload.convert.targets import Target, check_target, plan_targets
from fastload.errors import SourceError
from fastload.store import PHOTO_COLUMNS, Store, StoreWriter, WriterHeader
from fastload.version import __version__

__all__ = ["pack"]

AnyPath = str | os.PathLike[str]
OnFinding = Callable[[Finding], None]


def pack(
    source: AnyPath,
    destination: AnyPath,
    options: PackOptions | None = None,
    *,
    split_stores: bool = False,
    progress: Progress | None = None,
    on_finding: OnFinding | None = None,
    **choices: object,
) -> Summary:
    """Pack the data set ``source`` into the store ``destination``.

    Killed at any moment, the same call goes on from the last commit, and ends with the same
    content. Nothing in ``source`` is written. Files that cannot be packed are reported and left
    out, unless ``strict``.

    Args:
        source: folder with photos, in one of the layouts of docs/layouts.md, or the file that
            describes them, such as a YOLO yaml.
        destination: the store's file, such as ``"photos.lmdb"``.
        options: the choices of ``PackOptions``; single ones may be given by name instead, as in
            ``pack(source, destination, tile="never", overwrite=True)``.
        split_stores: one store a split (``photos-train.lmdb``), not one with named splits.
        progress: shown how far it is; None: nothing is shown.
        on_finding: called with each problem, ignored file and note.
        **choices: fields of ``PackOptions`` by name.

    Raises:
        SourceError: ``source`` is no folder of photos, or not one of them can be packed (with
            ``split_stores``: not one of a split).
        PackError: ``destination`` exists, or cannot be written.
        ResumeError: a half-packed store does not fit ``source`` any more.
        NoSpaceError: the disk is full; after making room the same call goes on.
        ProblemsFoundError: ``strict``, and not every file could be packed.
    """
    options = replace(options or PackOptions(), **choices)  # type: ignore[arg-type]
    started = time.monotonic()
    tally = Tally()
    note = tally.listener(on_finding)
    check_target(source, destination, overwrite=options.overwrite or split_stores)
    opened = find_source(
        source,
        options.layout,
        follow_links=options.follow_links,
        extensions=options.extensions,
        profile=options.labels,
    )
    check_target(opened.root, destination, overwrite=options.overwrite or split_stores)
    with ExitStack() as stack:
        stack.enter_context(quiet_pillow())
        targets = plan_targets(opened, destination, split_stores, options.overwrite)
        writers = {
            target.path: stack.enter_context(_writer(target, options))
            for target in targets
            if not target.published
        }
        jobs = [
            PackJob(target.source, writers[target.path], options, note)
            for target in targets
            if target.path in writers
        ]
        listed = {job.writer.path for job in jobs if job.run(progress or Silent())}
        refused = options.strict and tally.count(Severity.PROBLEM) > 0
        if not refused:
            _require_photos(opened, list(writers.values()), tally)
            for writer in writers.values():
                writer.publish()
    contents = Contents(photos=sum(writer.committed_count for writer in writers.values()))
    if not refused:
        contents = Contents()
        for target in targets:
            contents += _look(target.path, note, with_problems=target.path not in listed)
    summary = Summary(
        source=opened.root,
        layout=opened.layout,
        stores=tuple(target.path for target in targets),
        class_count=len(opened.class_names),
        contents=contents,
        store_bytes=0 if refused else sum(target.path.stat().st_size for target in targets),
        tally=tally,
        seconds=time.monotonic() - started,
        packed_photos=sum(job.photos for job in jobs),
        packed_bytes=sum(job.source_bytes for job in jobs),
        published=not refused,
    )
    if refused:
        raise ProblemsFoundError(summary)
    return summary


def _writer(target: Target, options: PackOptions) -> StoreWriter:
    source = target.source
    header = WriterHeader(
        class_names=source.class_names,
        split_names=source.split_names,
        source=source.root,
        created_by=f"fastload {__version__}",
        options={
            **({"source_state": source.state} if source.state else {}),
            **options.content(),
            **({"split": target.split} if target.split else {}),
        },
        annotations=source.annotations,
    )
    return StoreWriter(
        target.path,
        header,
        columns=(*PHOTO_COLUMNS, *original_columns(options.content())),
        files=source.files,
        restart=options.restart,
        overwrite=options.overwrite,
    )


def _require_photos(source: Source, writers: list[StoreWriter], tally: Tally) -> None:
    """Refuses to publish a store into which none of its files could be packed.

    What was packed for other splits stays, and is gone on with.
    """
    empty = [
        writer for writer in writers if not writer.committed_count and writer.committed_position
    ]
    if not empty:
        return
    for writer in empty:
        writer.discard()  # or it would not fit a source that was mended, or other options
    where = (
        source.root if len(empty) == len(writers) else f"{source.root}, for {empty[0].path.name}"
    )
    reasons = "; ".join(
        f"{group.count:,} {kind} (such as {printable(group.examples[0].name)}: "
        f"{group.examples[0].detail})"
        for kind, group in tally.groups(Severity.PROBLEM).items()
    )
    raise SourceError(f"{where}: no file could be packed, and nothing was published: {reasons}")


def _look(path: Path, note: OnFinding, *, with_problems: bool) -> Contents:
    """Count a published store; its problems are news where this run did not list its source."""
    with Store(path) as store:
        if with_problems:
            for problem in store.problems:
                note(Finding(problem.path, Severity.PROBLEM, problem.kind, problem.reason))
        for finding in (*misnamed(store), *unlabelled(store)):
            note(finding)
        return Contents.of(store)
