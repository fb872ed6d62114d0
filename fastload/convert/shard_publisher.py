"""Making a store of finished shards: their columns, the manifest, and the folder's own name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.shard_names import is_ours
from fastload.convert.shares import Share, photos_in_turn
from fastload.convert.sources import Source
from fastload.disk import fsync_folder
from fastload.errors import ResumeError
from fastload.store import Store, StoreHeader, WriterHeader
from fastload.store.joined_columns import write_joined_columns
from fastload.store.manifest import (
    MANIFEST_NAME,
    Manifest,
    ManifestFile,
    Shard,
    file_sha256,
    parse_manifest,
)

__all__ = ["are_there", "join_shards", "publish_folder", "read_manifest", "tidy_folder"]


def join_shards(
    columns: Path,
    header: WriterHeader,
    source: Source,
    shares: Sequence[Share],
    shards: Sequence[tuple[Path, Shard]],
) -> Manifest:
    """Write the file of columns, and say what the manifest has to be.

    Args:
        columns: the file to write.
        header: of the whole.
        source: of the whole.
        shares: what each shard has of it.
        shards: where each is, and its entry in the manifest.

    Raises:
        ResumeError: the source is not as it was.
        PackError, NoSpaceError: the columns cannot be written.
    """
    ids = "".join(shard.store_id for _, shard in shards)
    store_id = _core.xxh3_128(ids.encode("ascii")).hex()
    members = {member.name: getattr(header, member.name) for member in fields(header)}
    with ExitStack() as stack:
        stores = [stack.enter_context(Store(path)) for path, _ in shards]
        order = _order(source, shares, stores)
        whole = StoreHeader(**members, store_id=store_id)
        write_joined_columns(columns, whole, source.files, stores, order)
    contents = "".join(shard.content_hash for _, shard in shards)
    return Manifest(
        store_id=store_id,
        samples=sum(shard.samples for _, shard in shards),
        content_hash=_core.xxh3_128(contents.encode("ascii")).hex(),
        class_names=header.class_names,
        split_names=header.split_names,
        columns=ManifestFile(columns.name, columns.stat().st_size, file_sha256(columns)),
        shards=tuple(shard for _, shard in shards),
    )


def _order(source: Source, shares: Sequence[Share], stores: Sequence[Store]) -> NDArray[np.int64]:
    """The samples of all shards in the source's order: int64 [N], counted shard after shard."""
    counts = [len(store) for store in stores]
    if all(isinstance(share.places, range) and share.places.step == 1 for share in shares):
        return np.arange(sum(counts))
    starts = np.cumsum([0, *counts])
    names = [store.names for store in stores]
    taken = [0] * len(stores)
    order = []
    for name, shard in photos_in_turn(source, shares):
        sample = taken[shard]
        if sample < counts[shard] and names[shard][sample] == name:
            order.append(int(starts[shard]) + sample)
            taken[shard] += 1
    if taken != counts:
        raise ResumeError(
            f"{source.root}: is not as it was when packing began; put it back as it was, or pack "
            "anew with --restart"
        )
    return np.array(order, np.int64)


def publish_folder(folder: Path, path: Path) -> None:
    """Give a finished folder of shards, manifest and all, its name.

    Where a sharded store is there, the new files are put beside the old ones, one rename of the
    manifest makes them count, and then the old ones go. Whatever interrupts this, it can be called
    again, for as long as ``folder`` has a manifest.

    Raises:
        OSError: the disk fails; the store is the old or the new one.
    """
    if not path.exists() or not any(path.iterdir()):
        os.rename(folder, path)
        fsync_folder(path.parent)
        tidy_folder(path)
        return
    manifest = read_manifest(folder)
    for file in (manifest.columns, *manifest.shards):
        if (folder / file.name).exists():  # or it is one of the old store's, or was moved before
            os.rename(folder / file.name, path / file.name)
    fsync_folder(path)
    os.rename(folder / MANIFEST_NAME, path / MANIFEST_NAME)
    fsync_folder(path)
    fsync_folder(folder)
    tidy_folder(path)
    shutil.rmtree(folder)


def tidy_folder(path: Path) -> None:
    """Delete what packing has left in a sharded store's folder that is none of it."""
    manifest = read_manifest(path)
    kept = {manifest.columns.name, *(shard.name for shard in manifest.shards)}
    for file in sorted(path.iterdir()):
        if is_ours(file.name) and file.name not in kept:
            file.unlink()


def read_manifest(folder: Path) -> Manifest:
    """The manifest that is in a folder; raises StoreFormatError where it is damaged."""
    path = folder / MANIFEST_NAME
    return parse_manifest(path.read_bytes(), str(path))


def are_there(manifest: Manifest, *folders: Path) -> bool:
    """Whether each file that a manifest names is in one of the folders, in full length."""
    return all(
        any(_size(folder / file.name) == file.bytes for folder in folders)
        for file in (manifest.columns, *manifest.shards)
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else -1
