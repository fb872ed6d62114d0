"""``split``: one store becomes several."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.counted import counted
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.names import printable
from fastload.convert.progress import Progress, Silent
from fastload.convert.ratio_split import check_ratios, split_by_ratio
from fastload.convert.split_piece import SplitPiece, SplitStore
from fastload.convert.targets import exists_error, linked_path
from fastload.errors import PackError
from fastload.store import (
    NO_SPLIT,
    Store,
)

__all__ = ["SplitReport", "split"]

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class SplitReport:
    """What ``split`` returns.

    Attributes:
        store: what was split.
        stores: what was made, one a split.
        left_out: samples of no split.
        tally: notes.
        seconds: how long it took.
    """

    store: Path
    stores: tuple[SplitStore, ...]
    left_out: int
    tally: Tally
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "store": str(self.store),
            "stores": [{**asdict(made), "path": str(made.path)} for made in self.stores],
            "left_out": self.left_out,
            "notes": self.tally.as_json(Severity.NOTE),
            "seconds": round(self.seconds, 3),
        }


def split(
    store: AnyPath,
    destination: AnyPath,
    *,
    ratios: Mapping[str, float] | None = None,
    names: Mapping[str, Iterable[str]] | None = None,
    seed: int = 0,
    stratify: bool = False,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> SplitReport:
    """Split ``store`` into ``<destination>-<split>.lmdb``, one store a split.

    Without ``ratios`` and ``names``, by its named splits. Samples stay in order, classes keep their
    ids, and records are copied as they are, and compared with those they were copied from before a
    store is published. Killed at any moment, the same call goes on.

    Args:
        store: its file; a sharded store too.
        destination: what the new stores' names begin with; an ending ".lmdb" does not count.
        ratios: the share of each split, as in ``{"train": 0.9, "val": 0.1}``; they add up to 1.
        names: the samples of each split, by name; those in none are left out.
        seed: which samples come into which split, by ``ratios``.
        stratify: with ``ratios``: divide each class by itself; where photos have none, the photos
            whose rarest object is of that class.
        overwrite: replace stores that exist.
        restart: throw half-made stores away instead of going on with them.
        progress: shown how far it is.
        on_finding: called with each note.

    Raises:
        ValueError: ``ratios`` do not add up to 1.
        PackError: the store cannot be split so, or a store exists or cannot be written.
        ResumeError: a half-made store was begun otherwise.
        StoreError: ``store`` cannot be read.
    """
    if ratios is not None and names is not None:
        raise ValueError("ratios, names: expected one of them, or none")
    if stratify and ratios is None:
        raise ValueError("stratify: expected it together with ratios")
    if ratios is not None:
        check_ratios(ratios)
    started = time.monotonic()
    tally = Tally()
    note = tally.listener(on_finding)
    with ExitStack() as stack:
        opened = stack.enter_context(Store(store))
        divided = ratios is not None or names is not None
        if ratios is not None:
            split_names = tuple(ratios)
            splits = split_by_ratio(opened, ratios, seed, stratify=stratify)
        elif names is not None:
            split_names, splits = _by_names(opened, names)
        else:
            split_names, splits = opened.header.split_names, opened.column("split")
        if not split_names:
            raise PackError(
                f"{opened.path}: has no named splits; --ratio divides it by shares, such as "
                "train=0.9,val=0.1"
            )
        left_out = int(np.count_nonzero(splits == NO_SPLIT))
        if left_out:
            some = counted(left_out, "photo is", "photos are")
            note(Finding("", Severity.NOTE, "left-out", f"{some} in no split"))
        pieces: list[SplitPiece] = []
        for place in np.unique(splits[splits != NO_SPLIT]).tolist():
            path = _path(destination, split_names[place])
            # What has to do with no sample goes with the first.
            problems = () if pieces else opened.problems
            pieces.append(SplitPiece(opened, place, split_names, splits, path, problems, divided))
        _check_paths(pieces, overwrite)
        shown = progress or Silent()
        for piece in pieces:
            piece.begin(restart, overwrite, stack)
        for piece in pieces:
            piece.copy(shown)
        made = tuple(piece.publish(shown) for piece in pieces)
    return SplitReport(Path(opened.path), made, left_out, tally, time.monotonic() - started)


def _check_paths(pieces: list[SplitPiece], overwrite: bool) -> None:
    """Refuses to replace a store that is not of an earlier, interrupted run."""
    existing = [piece for piece in pieces if piece.path.exists()]
    goes_on = len(existing) < len(pieces) and all(piece.is_made for piece in existing)
    if existing and not overwrite and not goes_on:
        raise exists_error(existing[0].path)


def _path(destination: AnyPath, name: str) -> Path:
    path = Path(os.path.abspath(destination))
    if os.sep in name or "\0" in name or name in ("", ".", ".."):
        raise PackError(f"{name!a}: expected a split's name that can stand in a file's name")
    stem = path.stem if path.suffix == ".lmdb" else path.name
    return linked_path(path.with_name(f"{stem}-{name}.lmdb"))


def _by_names(
    store: Store, names: Mapping[str, Iterable[str]]
) -> tuple[tuple[str, ...], NDArray[np.uint8]]:
    splits = np.full(len(store), NO_SPLIT, np.uint8)
    split_names = tuple(names)
    for place, wanted in enumerate(names.values()):
        for name in wanted:
            index = store.find(name)
            if index is None:
                raise PackError(f"{store.path}: has no sample of the name {printable(name)}")
            if splits[index] not in (NO_SPLIT, place):
                raise PackError(
                    f"{printable(name)}: is listed for {split_names[place]} and for "
                    f"{split_names[int(splits[index])]}; a sample goes into one split"
                )
            splits[index] = place
    for place, name in enumerate(split_names):
        if not np.any(splits == place):
            raise PackError(f"{name}: expected one sample or more, found none listed")
    return split_names, splits
