"""Which tars make up a data set, and which split each belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.sources.place import Place
from fastload.convert.sources.splits import SPLIT_NAMES
from fastload.convert.walk import FolderWalk
from fastload.errors import SourceError

__all__ = ["COMPRESSED", "Shard", "expand", "is_pattern", "list_shards", "shard_walk"]

COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tar.lz4")
_MAX_SHARDS = 1_000_000
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_WORDS = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar.

    Attributes:
        name: its path relative to the data set, with "/".
        split: "train" and the like, as its name or a folder above it says, or "".
    """

    name: str
    split: str = ""


def is_pattern(path: str) -> bool:
    """Whether a path is one of several, such as ``train-{000000..000099}.tar``."""
    return bool(_BRACES.search(path)) and not os.path.lexists(path)


def expand(pattern: str) -> list[str]:
    """The paths that a pattern with ``{a..b}`` or ``{a,b}`` in it stands for, in order.

    Raises:
        SourceError: more than a million.
    """
    waiting, found = [pattern], []
    while waiting:
        path = waiting.pop()
        braces = _BRACES.search(path)
        if braces is None:
            found.append(path)
            continue
        choices = _choices(braces[1])
        if len(choices) + len(waiting) + len(found) > _MAX_SHARDS:
            raise SourceError(f"{pattern}: expected at most {_MAX_SHARDS:,} tars")
        waiting += [path[: braces.start()] + one + path[braces.end() :] for one in choices[::-1]]
    return found


def _choices(text: str) -> list[str]:
    ends = _RANGE.fullmatch(text)
    if ends is None:
        return text.split(",")
    first, last = int(ends[1]), int(ends[2])
    if abs(last - first) > _MAX_SHARDS:
        return [text] * (_MAX_SHARDS + 1)
    step = 1 if first <= last else -1
    return [f"{number:0{len(ends[1])}}" for number in range(first, last + step, step)]


def shard_walk(place: Place) -> FolderWalk:
    """The folder, seen as one of tars."""
    return FolderWalk(place.root, follow_links=place.follow_links, extensions=(".tar", *COMPRESSED))


def list_shards(place: Place, findings: list[Finding]) -> list[Shard]:
    """All tars, by name or in the pattern's order; what is to be said is added to ``findings``.

    Either all have a split, or none has.
    """
    names = []
    for found in _named(place) if place.file is not None else _walked(place, findings):
        if isinstance(found, Finding):
            findings.append(found)
        elif found.lower().endswith(COMPRESSED):
            findings.append(
                Finding(
                    found,
                    Severity.PROBLEM,
                    "compressed-tar",
                    "single photos cannot be read out of it: unpack it to a .tar first (gunzip, "
                    "unxz, zstd -d)",
                )
            )
        else:
            names.append(found)
    splits = {name: _split_of(name) for name in names}
    without = [name for name, split in splits.items() if not split]
    if without and len(without) < len(names):
        findings.append(
            Finding(
                without[0],
                Severity.NOTE,
                "shard-without-split",
                f"{len(without)} of {len(names)} tars say no split by their names, so there are "
                "no splits",
            )
        )
    return [Shard(name, "" if without else splits[name]) for name in names]


def _walked(place: Place, findings: list[Finding]) -> Iterator[str | Finding]:
    walk = shard_walk(place)
    for folder in walk.folders("", findings)[0]:
        yield from walk.files(folder)


def _named(place: Place) -> Iterator[str | Finding]:
    """The tars that the user named."""
    named = place.file or ""
    paths = expand(named) if is_pattern(named) else [named]
    for path in dict.fromkeys(map(os.path.normpath, paths)):
        name = place.boundary.name(path)
        if name is None:
            raise SourceError(f"{path}: leads out of {place.root}")
        try:
            if not os.path.isfile(path):
                raise RefusedError("missing", "the pattern names it, and it is not there")
            if path != place.file:
                place.boundary.check(path)
        except RefusedError as refused:
            yield refused.finding(name)
        else:
            yield name


def _split_of(name: str) -> str:
    """The split that a tar's folder, or a word of its own name, says; or ""."""
    folders, _, base = name.lower().rpartition("/")
    for word in (*folders.split("/"), *_WORDS.findall(base)):
        if word in SPLIT_NAMES:
            return str(word)
    return ""
