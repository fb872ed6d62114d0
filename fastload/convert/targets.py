"""Where stores go: checked before any work is done."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fastload.convert.sources import CONTAINERS, Source
from fastload.convert.sources.webdataset import expand, is_pattern
from fastload.errors import PackError, SourceError
from fastload.store import partial_path

__all__ = ["Target", "check_place", "check_target", "is_inside", "place_of", "plan_targets"]


@dataclass(frozen=True, slots=True)
class Target:
    """One store to make.

    Attributes:
        path: its file.
        source: what goes into it.
        split: the one split that goes into it, or "" for all there is.
        published: an earlier, interrupted run has published it already.
    """

    path: Path
    source: Source
    split: str = ""
    published: bool = False


def check_target(
    source: str | os.PathLike[str], destination: str | os.PathLike[str], *, overwrite: bool
) -> None:
    """Refuses a destination that cannot be, before the source is listed.

    Raises:
        PackError: it exists (and is not to be replaced), is a folder, or its folder is missing.
        SourceError: it lies inside the source, in which nothing is ever written.
    """
    path = Path(os.path.abspath(destination))
    named = os.fsdecode(source)
    files = expand(named) if is_pattern(named) else [named]
    if path.is_file() and any(os.path.isfile(f) and os.path.samefile(f, path) for f in files):
        raise SourceError(f"{path}: is the source itself; choose another name")
    if path.is_dir():
        raise PackError(
            f"{path}: expected a file's name for the store, found a folder; "
            f"name a file in it, such as {path / 'photos.lmdb'}"
        )
    check_place(path, source)
    if path.exists() and not overwrite:
        raise exists_error(path, or_update=True)


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
) -> list[Target]:
    """The stores to make of ``source``: one, or one a split.

    With one a split, all partial files are made, in order, before the first store is published, in
    the same order. So a store that exists without a partial file, while a later one has a partial
    file, was published by the run that is being resumed. With ``update`` none counts as that: what
    such a run has published is looked at again.

    Raises:
        PackError: a store exists, and is not to be replaced.
        SourceError: stores a split are asked for, and the source has no splits.
    """
    path = Path(os.path.abspath(destination))
    if not split_stores:
        return [Target(path, source)]
    if not source.split_names:
        raise SourceError(
            f"{source.root}: expected train/val/test folders for one store a split, "
            f"found the layout {source.layout}; leave --split-stores out"
        )
    paths = [path.with_name(f"{path.stem}-{name}{path.suffix}") for name in source.split_names]
    targets = []
    for number, target in enumerate(paths):
        resuming = any(partial_path(later).exists() for later in paths[number + 1 :])
        published = target.exists() and not partial_path(target).exists() and resuming
        published = published and not update
        if target.exists() and not published and not (overwrite or update):
            raise exists_error(target, or_update=True)
        split = source.split_names[number]
        targets.append(Target(target, source.select(number), split, published))
    return targets


def exists_error(path: Path, *, or_update: bool = False) -> PackError:
    """The refusal to replace a store; ``or_update``: where it could be brought up to date."""
    hint = ", --update packs only what is new in its source" if or_update else ""
    return PackError(f"{path}: exists; --overwrite replaces it{hint}")
