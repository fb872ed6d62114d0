"""``pack``: a folder of photos becomes a store."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from fastload.convert.changes import Changes
from fastload.convert.deduped import DedupedSource, deduped
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.names import printable
from fastload.convert.options import PackOptions
from fastload.convert.packing import Packing
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress, Silent
from fastload.convert.shard_packing import MakeShards, ShardPacking, make_here
from fastload.convert.shares import Sharding, plan_shares
from fastload.convert.sources import Source
from fastload.convert.store_packing import StorePacking
from fastload.convert.summary import Contents, ProblemsFoundError, Summary
from fastload.convert.targets import (
    Target,
    check_place,
    check_target,
    is_sharded,
    place_of,
    plan_targets,
)
from fastload.errors import PackError, SourceError

__all__ = ["ENGINES", "pack"]

ENGINES = ("local", "ray")

AnyPath = str | os.PathLike[str]
OnFinding = Callable[[Finding], None]


def pack(
    source: AnyPath,
    destination: AnyPath,
    options: PackOptions | None = None,
    *,
    split_stores: bool = False,
    sharding: Sharding | None = None,
    engine: str = "local",
    progress: Progress | None = None,
    on_finding: OnFinding | None = None,
    **choices: object,
) -> Summary:
    """Pack the data set ``source`` into the store ``destination``: a file, or a folder of shards.

    Killed at any moment, the same call goes on from the last commit, and ends with the same
    content. With ``update``, an earlier store is replaced by the one that packing anew would give,
    and only what is new in ``source`` is packed. Nothing in ``source`` is written. Files that
    cannot be packed are reported and left out, unless ``strict``.

    Args:
        source: folder with photos, in one of the layouts of docs/layouts.md, or the file that
            describes them, such as a YOLO yaml.
        destination: the store's file, such as ``"photos.lmdb"``; of shards, their folder. Of a
            link, what it leads to is made or replaced.
        options: the choices of ``PackOptions``; single ones may be given by name instead, as in
            ``pack(source, destination, tile="never", overwrite=True)``.
        split_stores: one store a split (``photos-train.lmdb``), not one with named splits.
        sharding: make a folder of shards, divided so; None: a file, or, with ``update``, what is
            there, divided as it is.
        engine: shards are made by "local": this machine, one by one; "ray": tasks of a Ray cluster,
            whose machines all see ``source`` and ``destination`` under the same paths. A dry run is
            always this machine's.
        progress: shown how far it is; None: nothing is shown.
        on_finding: called with each problem, ignored file and note.
        **choices: fields of ``PackOptions`` by name.

    Raises:
        MissingLibraryError: ``dedupe="near"`` without imagehash; ``engine="ray"`` without Ray.
        SourceError: ``source`` is no folder of photos, or not one of them can be packed (with
            ``split_stores``: not one of a split).
        PackError: ``destination`` exists, or cannot be written.
        ResumeError: a half-packed store does not fit ``source`` any more.
        NoSpaceError: the disk is full; after making room the same call goes on.
        ProblemsFoundError: ``strict``, and not every file could be packed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine: expected one of {ENGINES}, found {engine!r}")
    options = replace(options or PackOptions(), **choices)  # type: ignore[arg-type]
    started = time.monotonic()
    tally = Tally()
    note = tally.listener(on_finding)
    replaces = options.overwrite or options.update or split_stores
    path = Path(os.path.abspath(destination))
    sharded = sharding is not None or (options.update and is_sharded(path))

    def check(place: AnyPath) -> None:
        if split_stores and sharded:  # each target's folder is looked at below
            check_place(path, place)
        else:
            check_target(place, destination, overwrite=replaces, sharded=sharded)

    check(source)
    opened: Source = options.open_source(source)
    check(place_of(opened, source))
    with ExitStack() as stack:
        stack.enter_context(quiet_pillow())
        if options.dedupe:
            opened = deduped(
                opened,
                near=options.near if options.dedupe == "near" else None,
                max_file_bytes=options.max_file_bytes,
                workers=options.worker_count,
                progress=progress or Silent(),
            )
        targets = plan_targets(
            opened,
            path,
            split_stores,
            options.overwrite,
            update=options.update,
            sharded=sharded,
        )
        for target in targets:  # one of a split may be a link
            check_place(target.path, place_of(opened, source))
        if engine != "local" and not targets[0].sharded:
            raise PackError(
                f"{path}: expected shards for the engine {engine!r}, found one store to make; say "
                "with --shards or --shard-bytes how it is to be divided"
            )
        make = _making(engine, source, opened)
        packings = []
        for target in targets:
            packing = _packing(target, options, note, sharding, make)
            packings.append(stack.enter_context(packing))
        earlier = [packing.earlier for packing in packings if packing.earlier is not None]
        for packing in packings:
            others = [store for store in earlier if store is not packing.earlier]
            packing.run(progress or Silent(), others)
        refused = options.strict and tally.count(Severity.PROBLEM) > 0
        contents = Contents(photos=sum(packing.committed_count for packing in packings))
        if options.dry_run or not refused:
            _require_photos(opened, packings, tally)
            for packing in packings:
                packing.publish()
            contents = sum((packing.contents for packing in packings), Contents())
    found = [packing.changes for packing in packings if packing.changes is not None]
    changes = sum(found, Changes()) if found else None
    summary = Summary(
        source=opened.root,
        layout=opened.layout,
        stores=tuple(target.path for target in targets),
        class_count=len(opened.class_names),
        contents=contents,
        store_bytes=sum(packing.store_bytes for packing in packings),
        tally=tally,
        seconds=time.monotonic() - started,
        packed_photos=sum(packing.photos for packing in packings),
        packed_bytes=sum(packing.source_bytes for packing in packings),
        published=not refused and not options.dry_run,
        changes=changes,
        dry_run=options.dry_run,
        shards=sum(packing.shards for packing in packings),
        kept_shards=sum(packing.kept_shards for packing in packings),
    )
    if refused:
        raise ProblemsFoundError(summary)
    return summary


def _packing(
    target: Target,
    options: PackOptions,
    note: OnFinding,
    sharding: Sharding | None,
    make: MakeShards,
) -> Packing:
    """Begins one target; a dry run looks at shards as at one store."""
    if target.sharded and not options.dry_run:
        return ShardPacking(target, options, note, sharding, make)
    packing = StorePacking(target, options, note)
    if sharding is not None:
        packing.shards = len(plan_shares(target.source, sharding))
    return packing


def _making(engine: str, path: AnyPath, source: Source) -> MakeShards:
    """How shares of ``source``, which was opened by ``path``, become shards."""
    if engine == "local":
        return make_here
    from fastload.convert.ray_engine import make_on_ray  # an optional library

    return partial(make_on_ray, path, source.left_out if isinstance(source, DedupedSource) else {})


def _require_photos(source: Source, packings: list[Packing], tally: Tally) -> None:
    """Refuses to publish a store into which none of its files could be packed.

    What was packed for other splits stays, and is gone on with.
    """
    empty = [packing for packing in packings if packing.is_empty]
    if not empty:
        return
    for packing in empty:
        packing.discard()  # or it would not fit a source that was mended, or other options
    where = (
        source.root
        if len(empty) == len(packings)
        else f"{source.root}, for {empty[0].target.path.name}"
    )
    reasons = "; ".join(
        f"{group.count:,} {kind} (such as {printable(group.examples[0].name)}: "
        f"{group.examples[0].detail})"
        for kind, group in tally.groups(Severity.PROBLEM).items()
    )
    raise SourceError(f"{where}: no file could be packed, and nothing was published: {reasons}")
