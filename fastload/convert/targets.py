"""Where stores go: checked before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fastload.convert.options import PackOptions
from fastload.convert.pack_header import pack_header
from fastload.convert.sources import CONTAINERS, Source
from fastload.convert.sources.webdataset import expand, is_pattern
from fastload.errors import PackError, SourceError
from fastload.store import WriterHeader, partial_path
from fastload.store.manifest import MANIFEST_NAME

__all__ = [
    "Target",
    "check_place",
    "check_target",
    "exists_error",
    "is_inside",
    "is_sharded",
    "linked_path",
    "place_of",
    "plan_targets",
]


@dataclass(frozen=True, slots=True)
class Target:
    """One store to make.

    Attributes:
        path: its file, or its folder of shards.
        source: what goes into it.
        split: the one split that goes into it, or "" for all there is.
        published: an earlier, interrupted run has published it already.
        sharded: it is a folder of shards.
        share: which of the photos of a larger one it is for, or "".
    """

    path: Path
    source: Source
    split: str = ""
    published: bool = False
    sharded: bool = False
    share: str = ""

    def header(self, options: PackOptions) -> WriterHeader:
        """What the store will say of itself."""
        more = {"split": self.split, "share": self.share}
        return pack_header(self.source, options, **{name: of for name, of in more.items() if of})


def check_target(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    overwrite: bool,
    sharded: bool = False,
) -> None:
    """Refuses a destination that cannot be, before the source is listed.

    Args:
        source: what is to be packed.
        destination: where to.
        overwrite: what is there may be replaced, by an update too.
        sharded: a folder of shards is to be made there.

    Raises:
        PackError: it exists (and is not to be replaced), is a folder for one file or a file for
            shards, or its folder is missing.
        SourceError: it lies inside the source, in which nothing is ever written.
    """
    path = linked_path(destination)
    named = os.fsdecode(source)
    files = expand(named) if is_pattern(named) else [named]
    if path.is_file() and any(os.path.isfile(f) and os.path.samefile(f, path) for f in files):
        raise SourceError(f"{path}: is the source itself; choose another name")
    check_place(path, source)
    if not sharded and os.fsdecode(destination).endswith("/") and not path.is_dir():
        raise PackError(
            f"{os.fsdecode(destination)}: expected a file's name for the store, found one that "
            "ends in a slash; leave that out, or ask for shards with --shards or --shard-bytes"
        )
    _check_kind(path, sharded)
    if _is_taken(path) and not overwrite:
        raise exists_error(path, or_update=True)


def linked_path(destination: str | os.PathLike[str]) -> Path:
    """The absolute path at which a store is made: of a link, what it leads to, there or not.

    So the link stays, and what is half packed lies where a rename is one on a single disk.

    Raises:
        PackError: the link leads in a circle.
    """
    path = Path(os.path.abspath(destination))
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise PackError(f"{path}: expected a link that leads to a store's place, found a circle")
    return target


def is_sharded(path: Path) -> bool:
    """Whether a folder of shards that is a store is there."""
    return (path / MANIFEST_NAME).is_file()


def _is_taken(path: Path) -> bool:
    return path.exists() and not (path.is_dir() and not any(path.iterdir()))


def _check_kind(path: Path, sharded: bool) -> None:
    """Refuses what an option of this command would not have made."""
    if not sharded and path.is_dir():
        more = (
            "it is a sharded store, which --update keeps in shards, and --shards or --shard-bytes "
            "with --overwrite replaces"
            if is_sharded(path)
            else f"name a file in it, such as {path / 'photos.lmdb'}, or ask for shards with "
            "--shards or --shard-bytes"
        )
        raise PackError(f"{path}: expected a file's name for the store, found a folder; {more}")
    if sharded and os.path.lexists(path) and not path.is_dir():
        raise PackError(
            f"{path}: expected a folder's name for shards, found a file; choose another name, or "
            "leave --shards and --shard-bytes out to make or update one file"
        )
    if sharded and _is_taken(path) and not is_sharded(path):
        raise PackError(
            f"{path}: expected a new or empty folder, or a sharded store to replace, found one "
            "with other files"
        )


def check_place(path: Path, source: str | os.PathLike[str]) -> None:
    """Refuses a place that is not there, or that is the source's.

    Raises:
        PackError: its folder is missing.
        SourceError: it lies inside the source, in which nothing is ever written.
    """
    if not path.parent.is_dir():
        raise PackError(f"{path.parent}: no such folder; make it first")
    if is_inside(path, source):
        raise SourceError(
            f"{path}: lies inside the source folder {os.path.realpath(source)}, in which nothing "
            "is written; choose a place outside it"
        )


def place_of(source: Source, named: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """The folder, or the files (one, or those of a pattern), in which all of a data set lies.

    Args:
        source: the opened data set.
        named: what it was opened by.
    """
    return named if source.layout in CONTAINERS and not os.path.isdir(named) else source.root


def is_inside(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> bool:
    """Whether the file ``path``, links followed, lies in ``folder`` or below."""
    root = os.path.realpath(folder)
    parent = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    return os.path.commonpath([root, parent]) == root


def plan_targets(
    source: Source,
    destination: str | os.PathLike[str],
    split_stores: bool,
    overwrite: bool,
    *,
    update: bool = False,
    sharded: bool = False,
) -> list[Target]:
    """The stores to make of ``source``: one, or one a split.

    With one a split, all partial files (of shards: folders) are made, in order, before the first
    store is published, in the same order. So a store that exists without a partial file, while a
    later one has a partial file, was published by the run that is being resumed. With ``update``
    none counts as that: what such a run has published is looked at again.

    Args:
        source: what is to be packed.
        destination: as given to ``pack``.
        split_stores: one a split.
        overwrite: stores may be replaced.
        update: stores are brought up to date; where one is sharded, all are or will be.
        sharded: shards are asked for.

    Raises:
        PackError: a store exists, and is not to be replaced.
        SourceError: stores a split are asked for, and the source has no splits.
    """
    if not split_stores:
        path = linked_path(destination)
        return [Target(path, source, sharded=sharded or (update and is_sharded(path)))]
    if not source.split_names:
        raise SourceError(
            f"{source.root}: expected train/val/test folders for one store a split, "
            f"found the layout {source.layout}; leave --split-stores out"
        )
    path = Path(os.path.abspath(destination))
    paths = [
        linked_path(path.with_name(f"{path.stem}-{name}{path.suffix}"))
        for name in source.split_names
    ]
    sharded = sharded or (update and any(map(is_sharded, paths)))
    targets = []
    for number, target in enumerate(paths):
        resuming = any(partial_path(later).exists() for later in paths[number + 1 :])
        published = _is_taken(target) and not partial_path(target).exists() and resuming
        published = published and not update
        _check_kind(target, sharded)
        if _is_taken(target) and not published and not (overwrite or update):
            raise exists_error(target, or_update=True)
        split = source.split_names[number]
        targets.append(Target(target, source.select(number), split, published, sharded))
    return targets


def exists_error(path: Path, *, or_update: bool = False) -> PackError:
    """The refusal to replace a store; ``or_update``: where it could be brought up to date."""
    hint = ", --update packs only what is new in its source" if or_update else ""
    return PackError(f"{path}: exists; --overwrite replaces it{hint}")
