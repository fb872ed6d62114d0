"""Which files make up a data set, and which split each belongs to."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_json import load_json_bytes
from fastload.convert.sources.place import Place
from fastload.convert.sources.splits import SPLIT_NAMES
from fastload.convert.walk import FolderWalk, join
from fastload.errors import SourceError

__all__ = ["TableFile", "list_tables", "looks_saved", "parquet_walk"]

_DICT, _STATE = "dataset_dict.json", "state.json"
_SHARD = re.compile(r"(.+?)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?\.parquet")
_WORDS = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of rows.

    Attributes:
        name: its path relative to the data set, with "/".
        split: or "".
    """

    name: str
    split: str = ""

    @property
    def is_parquet(self) -> bool:
        """Parquet; else Arrow's own format."""
        return self.name.lower().endswith(".parquet")


def looks_saved(place: Place) -> bool:
    """Whether the folder was written by ``save_to_disk``."""

    def has(name: str) -> bool:
        return os.path.isfile(os.path.join(place.root, name))

    return place.file is None and (has(_DICT) or (has(_STATE) and has("dataset_info.json")))


def parquet_walk(place: Place) -> FolderWalk:
    """The folder, seen as one of Parquet files."""
    return FolderWalk(place.root, follow_links=place.follow_links, extensions=(".parquet",))


def list_tables(place: Place, findings: list[Finding]) -> list[TableFile]:
    """All files of rows in order; what is to be said is added to ``findings``.

    Either all have a split, or none has.

    Raises:
        SourceError: they are no data set, or several.
    """
    if place.file is not None:
        return [TableFile(os.path.basename(place.file))]
    if os.path.isfile(os.path.join(place.root, _DICT)):
        splits = _strings(_json(place, _DICT).get("splits"), _DICT, "splits")
        return [table for split in splits for table in _saved(place, split, split)]
    if os.path.isfile(os.path.join(place.root, _STATE)):
        return list(_saved(place, "", ""))
    return _on_hub(place, findings)


def _saved(place: Place, folder: str, split: str) -> Iterator[TableFile]:
    """The files that one ``state.json`` names."""
    name = join(folder, _STATE)
    state = _json(place, name)
    if state.get("_indices_data_files") or state.get("_indices_files"):
        raise SourceError(
            f"{name}: its rows are chosen by a file of indices, as old releases of datasets saved "
            "them; load it with load_from_disk, and save it again with save_to_disk"
        )
    files = state.get("_data_files")
    if not isinstance(files, list):
        raise SourceError(f"{name}: expected _data_files, found {shown(files)}")
    found = [file.get("filename") if isinstance(file, dict) else None for file in files]
    for base in _strings(found, name, "_data_files"):
        yield TableFile(join(folder, base), split)


def _on_hub(place: Place, findings: list[Finding]) -> list[TableFile]:
    """Parquet files as the Hub has them, sorted by name."""
    walk = parquet_walk(place)
    names = []
    for folder in walk.folders("", findings)[0]:
        for found in walk.files(folder):
            if isinstance(found, str):
                names.append(found)
            elif found.severity is Severity.PROBLEM:
                findings.append(found)
    configurations = sorted({_configuration(name) for name in names})
    if len(configurations) > 1:
        raise SourceError(
            f"{place.root}: expected one data set, found several; name the folder of one: "
            f"{', '.join(configurations[:10])}"
        )
    findings += _missing(names)
    splits = {name: _split_of(name) for name in names}
    without = [name for name, split in splits.items() if not split]
    if without and len(without) < len(names):
        findings.append(
            Finding(
                without[0],
                Severity.NOTE,
                "file-without-split",
                f"{len(without)} of {len(names)} files say no split by their names, so there are "
                "no splits",
            )
        )
    return [TableFile(name, "" if without else splits[name]) for name in names]


def _split_of(name: str) -> str:
    """The split of ``train-00000-of-00002.parquet``, ``train.parquet``, ``train/0000.parquet``."""
    folders, _, base = name.rpartition("/")
    shard = _SHARD.fullmatch(base)
    if shard is not None:
        return shard[1]
    for word in (*_WORDS.findall(base.lower()), *reversed(folders.lower().split("/"))):
        if word in SPLIT_NAMES:
            return str(word)
    return ""


def _configuration(name: str) -> str:
    """The folders of a file that are neither a split's nor ``data``."""
    parts = name.split("/")[:-1]
    return "/".join(part for part in parts if part.lower() not in (*SPLIT_NAMES, "data")) or "."


def _missing(names: list[str]) -> Iterator[Finding]:
    """A problem for each file of ``...-of-00005.parquet`` that is not there."""
    series: dict[tuple[str, str], set[int]] = {}
    for name in names:
        folders, slash, base = name.rpartition("/")
        shard = _SHARD.fullmatch(base)
        if shard is not None:
            series.setdefault((folders + slash + shard[1], shard[3]), set()).add(int(shard[2]))
    for (start, count), numbers in series.items():
        for number in sorted(set(range(int(count))) - numbers):
            yield Finding(
                f"{start}-{number:05}-of-{count}.parquet", Severity.PROBLEM, "missing",
                f"the others' names say that there are {int(count)}",
            )  # fmt: skip


def _json(place: Place, name: str) -> dict[str, object]:
    data = place.read(os.path.join(place.root, name))[1]
    try:
        found = load_json_bytes(data)
    except LabelError as error:
        raise SourceError(f"{name}: {error}") from None
    if not isinstance(found, dict):
        raise SourceError(f"{name}: expected an object, found {shown(found)}")
    return found


def _strings(values: object, name: str, key: str) -> list[str]:
    """Names of files or folders in the data set, and nothing that leads elsewhere."""
    if not isinstance(values, list) or not values:
        raise SourceError(f"{name}: expected {key}, found {shown(values)}")
    for value in values:
        if not isinstance(value, str) or not value or "/" in value or value in (".", ".."):
            raise SourceError(f"{name}: {key}: expected names, found {shown(value)}")
    return list(values)
