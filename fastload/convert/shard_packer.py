"""``pack_shards``: a data set becomes a folder of shards that opens as one store."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.options import PackOptions
from fastload.convert.pack_header import pack_header
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress
from fastload.convert.shard_job import MadeShard, forget_done, make_shard
from fastload.convert.shares import Sharding, Share, plan_shares
from fastload.convert.sources import Source, SourceItem
from fastload.convert.summary import (
    Contents,
    ProblemsFoundError,
    Summary,
    misnamed,
    problems_of,
    unlabelled,
)
from fastload.convert.targets import check_place, exists_error, place_of
from fastload.disk import fsync_folder
from fastload.errors import PackError, ResumeError, SourceError
from fastload.store import Store, StoreHeader, WriterHeader, partial_path
from fastload.store.joined_columns import write_joined_columns
from fastload.store.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    Shard,
    file_sha256,
    write_manifest,
)

__all__ = ["ENGINES", "pack_shards"]

ENGINES = ("local", "ray")
_COLUMNS_NAME = "columns.lmdb"
#: An older set, for the moment in which the new one takes its name.
_REPLACED = ".replaced"

AnyPath = str | os.PathLike[str]


def pack_shards(
    source: AnyPath,
    destination: AnyPath,
    sharding: Sharding,
    options: PackOptions | None = None,
    *,
    engine: str = "local",
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> Summary:
    """Pack the data set ``source`` into the folder ``destination``, divided into shards.

    The folder grows under the name ``<destination>.partial`` and is renamed when its manifest, the
    last of its files, is written. Killed at any moment, the same call goes on: finished shards are
    not done again, and a half-packed one goes on from its last commit. Each shard is verified
    before it counts.

    Args:
        source: as for ``pack``.
        destination: the folder; where it exists, it must be empty, unless ``overwrite``.
        sharding: how it is divided.
        options: the choices of ``PackOptions``.
        engine: "local": shard by shard, with all of this machine's cores; "ray": as tasks of a Ray
            cluster, whose machines all see ``source`` and ``destination`` under the same paths.
        progress: shown how far it is.
        on_finding: called with each problem, ignored file and note.

    Raises:
        SourceError: ``source`` is no data set, or none of its photos can be packed.
        PackError: ``destination`` exists, or cannot be written.
        ResumeError: what an earlier run has packed does not fit.
        NoSpaceError: the disk is full; after making room the same call goes on.
        ProblemsFoundError: ``strict``, and not every file could be packed.
        MissingLibraryError: Ray is not installed.
    """
    if engine not in ENGINES:
        raise ValueError(f"engine: expected one of {ENGINES}, found {engine!r}")
    options = options or PackOptions()
    if options.update or options.dry_run:
        raise ValueError("update, dry_run: expected neither; shards are packed anew")
    if options.dedupe:
        raise PackError(
            f"{destination}: shards are packed apart from each other, and duplicates stay in them; "
            "pack one store with --dedupe, or shards without it"
        )
    started = time.monotonic()
    tally = Tally()
    note = tally.listener(on_finding)
    path = Path(os.path.abspath(destination))
    _check_folder(path, source, overwrite=options.overwrite)
    opened = options.open_source(source)
    _check_folder(path, place_of(opened, source), overwrite=options.overwrite)
    folder = partial_path(path)
    if options.restart and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    shares = plan_shares(opened, sharding)
    with quiet_pillow():
        made = list(_make(source, opened, folder, shares, options, engine, note, progress))
    photos = sum(one.shard.samples for one in made)
    if not photos:
        shutil.rmtree(folder)  # or it would not fit a source that was mended
        raise SourceError(f"{opened.root}: no file could be packed, and nothing was published")
    _tell_problems(folder, made, note)
    refused = options.strict and tally.count(Severity.PROBLEM) > 0
    contents, store_bytes = Contents(photos=photos), 0
    if not refused:
        _finish(folder, opened, shares, pack_header(opened, options), [one.shard for one in made])
        _rename(folder, path)
        with Store(path) as store:
            contents, store_bytes = Contents.of(store), store.store_bytes
            for finding in (*misnamed(store), *unlabelled(store)):
                note(finding)
    summary = Summary(
        source=opened.root,
        layout=opened.layout,
        stores=(path,),
        class_count=len(opened.class_names),
        contents=contents,
        store_bytes=store_bytes,
        tally=tally,
        seconds=time.monotonic() - started,
        packed_photos=sum(one.photos for one in made),
        packed_bytes=sum(one.source_bytes for one in made),
        published=not refused,
    )
    if refused:
        raise ProblemsFoundError(summary)
    return summary


def _check_folder(path: Path, source: AnyPath, *, overwrite: bool) -> None:
    """Refuses a destination that cannot be, before the source is listed."""
    check_place(path, source)
    if path.is_dir():
        taken = (path / MANIFEST_NAME).exists()
        if any(path.iterdir()) and not (overwrite and taken):
            raise (
                exists_error(path)
                if taken
                else PackError(
                    f"{path}: expected a new or empty folder, or a sharded store to replace, found "
                    "one with other files"
                )
            )
    elif os.path.lexists(path):
        raise PackError(f"{path}: expected a folder's name for shards, found a file")


def _make(
    path: AnyPath,
    source: Source,
    folder: Path,
    shares: Sequence[Share],
    options: PackOptions,
    engine: str,
    note: Callable[[Finding], None],
    progress: Progress | None,
) -> Iterator[MadeShard]:
    """All shards, in order."""
    if engine == "ray":
        from fastload.convert.ray_engine import make_on_ray  # an optional library

        yield from make_on_ray(path, folder, shares, options, note, progress)
        return
    for share in shares:
        yield make_shard(source, folder, share, options, note, progress)


def _tell_problems(
    folder: Path, made: Sequence[MadeShard], note: Callable[[Finding], None]
) -> None:
    """Problems of shards that earlier runs have packed are news to this one."""
    for one in made:
        if not one.listed:
            with Store(folder / one.shard.name) as store:
                for finding in problems_of(store):
                    note(finding)


def _finish(
    folder: Path,
    source: Source,
    shares: Sequence[Share],
    header: WriterHeader,
    shards: Sequence[Shard],
) -> None:
    """Join the columns of all shards, and write the manifest."""
    ids = "".join(shard.store_id for shard in shards)
    store_id = _core.xxh3_128(ids.encode("ascii")).hex()
    members = {member.name: getattr(header, member.name) for member in fields(header)}
    path = folder / _COLUMNS_NAME
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(folder / shard.name)) for shard in shards]
        order = _order(source, shares, stores)
        whole = StoreHeader(**members, store_id=store_id)
        write_joined_columns(path, whole, source.files, stores, order)
    contents = "".join(shard.content_hash for shard in shards)
    manifest = Manifest(
        store_id=store_id,
        samples=sum(shard.samples for shard in shards),
        content_hash=_core.xxh3_128(contents.encode("ascii")).hex(),
        class_names=header.class_names,
        split_names=header.split_names,
        columns=ManifestFile(_COLUMNS_NAME, path.stat().st_size, file_sha256(path)),
        shards=tuple(shards),
    )
    write_manifest(folder, manifest)
    forget_done(folder)


def _order(source: Source, shares: Sequence[Share], stores: Sequence[Store]) -> NDArray[np.int64]:
    """The samples of all shards in the source's order: int64 [N], counted shard after shard."""
    counts = [len(store) for store in stores]
    if shares[0].step == 1:
        return np.arange(sum(counts))
    starts = np.cumsum([0, *counts])
    names = [store.names for store in stores]
    taken = [0] * len(stores)
    order = []
    photos = (item for item in source.items() if isinstance(item, SourceItem))
    for photo, item in enumerate(photos):
        shard = photo % len(stores)
        sample = taken[shard]
        if sample < counts[shard] and names[shard][sample] == item.name:
            order.append(int(starts[shard]) + sample)
            taken[shard] += 1
    if taken != counts:
        raise ResumeError(
            f"{source.root}: is not as it was when packing began; put it back as it was, or pack "
            "anew with --restart"
        )
    return np.array(order, np.int64)


def _rename(folder: Path, path: Path) -> None:
    """Give the finished folder its name; an older one goes when the new one is there."""
    old = path.with_name(path.name + _REPLACED)
    shutil.rmtree(old, ignore_errors=True)
    try:
        if path.exists() and any(path.iterdir()):
            os.rename(path, old)
        os.rename(folder, path)
        fsync_folder(path.parent)
    except OSError as error:
        raise PackError(
            f"{folder}: cannot become {path}: {error}; run the same command again"
        ) from error
    shutil.rmtree(old, ignore_errors=True)
