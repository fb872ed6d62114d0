"""What a packing did: the figures, and everything there is to say about single files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.changes import Changes, Samples
from fastload.convert.counted import counted
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.originals import original_name, reduced_photos
from fastload.convert.sniff import MAX_EXTENSION_BYTES, format_by_extension
from fastload.errors import PackError
from fastload.records import Codec
from fastload.store import NO_SPLIT, LabelState, Store

__all__ = ["Contents", "ProblemsFoundError", "Summary", "misnamed", "problems_of", "unlabelled"]


@dataclass(frozen=True, slots=True)
class Contents:
    """Figures over the samples of a store.

    Attributes:
        photos: samples.
        source_bytes: of the photos' original files.
        label_bytes: of label files, and of those that describe the data set.
        record_bytes: of the records (0 where unknown).
        codecs: samples by codec, codec names in lower case.
        formats: samples by the file's format.
        splits: samples by split; empty without splits.
        with_warnings: samples that libjpeg warned about.
        reduced: samples whose photo is smaller than that in the source, and encoded anew.
        labels: samples by the state of their labels, in lower case; empty without labels.
        objects: labelled objects.
    """

    photos: int = 0
    source_bytes: int = 0
    label_bytes: int = 0
    record_bytes: int = 0
    codecs: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    splits: dict[str, int] = field(default_factory=dict)
    with_warnings: int = 0
    reduced: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    objects: int = 0

    @classmethod
    def of(cls, store: Samples) -> Contents:
        """Count what is in ``store``."""
        column, header = store.column, store.header
        annotations = store.annotations
        labels = {} if annotations is None else _count(annotations.states, _state_name)
        return cls(
            photos=len(store),
            source_bytes=int(column(original_name("source_size", store.column_names)).sum()),
            label_bytes=_label_bytes(store),
            record_bytes=int(column("length").sum()),
            codecs=_count(column("codec"), lambda code: Codec(code).name.lower()),
            formats=_count(column("format"), lambda code: header.formats[code]),
            splits=_count(column("split"), lambda code: _split_name(header.split_names, code))
            if header.split_names
            else {},
            with_warnings=int(np.count_nonzero(column("warnings"))),
            reduced=int(np.count_nonzero(reduced_photos(store))),
            labels=labels,
            objects=0 if annotations is None else len(annotations.class_ids),
        )

    def growth_percent(self, store_bytes: int) -> float:
        """How much larger (or smaller) a store of them is than their files."""
        file_bytes = self.source_bytes + self.label_bytes
        return 100 * (store_bytes / file_bytes - 1) if file_bytes else 0.0

    def __add__(self, other: Contents) -> Contents:
        return Contents(
            self.photos + other.photos,
            self.source_bytes + other.source_bytes,
            self.label_bytes + other.label_bytes,
            self.record_bytes + other.record_bytes,
            _merge(self.codecs, other.codecs),
            _merge(self.formats, other.formats),
            _merge(self.splits, other.splits),
            self.with_warnings + other.with_warnings,
            self.reduced + other.reduced,
            _merge(self.labels, other.labels),
            self.objects + other.objects,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """What ``pack`` returns.

    Attributes:
        source: the folder that was packed.
        layout: its layout.
        stores: the stores made, one a split with ``split_stores``.
        class_count: classes.
        contents: what is in the stores.
        store_bytes: size of the stores' files.
        tally: problems, ignored files and notes, with the first names of each kind.
        seconds: how long this run took.
        packed_photos: photos packed in this run; the others were packed by earlier runs.
        packed_bytes: source bytes of those.
        published: False only where ``strict`` kept the stores from being published, and in a dry
            run.
        changes: with ``update``: in what the stores differ from those that they replace.
        dry_run: nothing was written.
        shards: of how many the stores consist; 0 where each is one file.
        kept_shards: those of them that an update has left as they were.
    """

    source: str
    layout: str
    stores: tuple[Path, ...]
    class_count: int
    contents: Contents
    store_bytes: int
    tally: Tally
    seconds: float
    packed_photos: int
    packed_bytes: int
    published: bool = True
    changes: Changes | None = None
    dry_run: bool = False
    shards: int = 0
    kept_shards: int = 0

    @property
    def problems_count(self) -> int:
        """Files that should have been packed and could not be."""
        return self.tally.count(Severity.PROBLEM)

    @property
    def growth_percent(self) -> float:
        """How much larger (or smaller) the stores are than the original files."""
        return self.contents.growth_percent(self.store_bytes)

    def as_json(self) -> dict[str, Any]:
        """The summary for programs; ``--json`` prints it."""
        seconds = max(self.seconds, 1e-9)
        return {
            "source": self.source,
            "layout": self.layout,
            "published": self.published,
            "dry_run": self.dry_run,
            "stores": [str(path) for path in self.stores],
            "shards": self.shards,
            "kept_shards": self.kept_shards,
            "photos": self.contents.photos,
            "classes": self.class_count,
            "splits": self.contents.splits,
            "source_bytes": self.contents.source_bytes,
            "label_bytes": self.contents.label_bytes,
            "store_bytes": self.store_bytes,
            "growth_percent": round(self.growth_percent, 3),
            "codecs": self.contents.codecs,
            "formats": self.contents.formats,
            "photos_with_warnings": self.contents.with_warnings,
            "photos_reduced": self.contents.reduced,
            "labels": self.contents.labels,
            "objects": self.contents.objects,
            "changes": None if self.changes is None else self.changes.as_json(),
            "seconds": round(self.seconds, 3),
            "packed_photos": self.packed_photos,
            "resumed_photos": self.contents.photos - self.packed_photos,
            "photos_per_second": round(self.packed_photos / seconds, 1),
            "source_bytes_per_second": round(self.packed_bytes / seconds),
            "problems_count": self.problems_count,
            "problems": self.tally.as_json(Severity.PROBLEM),
            "ignored_count": self.tally.count(Severity.IGNORED),
            "ignored": self.tally.as_json(Severity.IGNORED),
            "notes": self.tally.as_json(Severity.NOTE),
        }


class ProblemsFoundError(PackError):
    """``strict`` packing met files that could not be packed; nothing was published.

    Attributes:
        summary: what was found. The half-packed stores stay: the same command without ``strict``
            publishes them at once, with ``restart`` begins anew.
    """

    def __init__(self, summary: Summary) -> None:
        count = summary.problems_count
        super().__init__(
            f"{summary.source}: {counted(count, 'file')} could not be packed, and nothing "
            "was published, as --strict asks; the same command without --strict publishes the "
            "rest, with --restart it packs again what was mended"
        )
        self.summary = summary


def problems_of(store: Store) -> Iterator[Finding]:
    """What could not be packed, as the store says."""
    for problem in store.problems:
        yield Finding(problem.path, Severity.PROBLEM, problem.kind, problem.reason)


def misnamed(store: Samples) -> Iterator[Finding]:
    """A note on each photo whose name promises another format than its bytes have."""
    formats, names, column = store.header.formats, store.names, store.column("format")
    # A million names have few endings, and one photo of each with each format speaks for all.
    letters = names.endings(MAX_EXTENSION_BYTES)
    letters += 32 * ((letters >= ord("A")) & (letters <= ord("Z"))).astype(np.uint8)
    keys = np.ascontiguousarray(np.column_stack([letters, column])).view(f"V{letters.shape[1] + 1}")
    _, firsts, groups = np.unique(keys.reshape(-1), return_index=True, return_inverse=True)
    is_wrong = [_is_misnamed(names[index], formats[column[index]]) for index in firsts.tolist()]
    for index in np.flatnonzero(np.array(is_wrong, np.bool_)[groups] & ~reduced_photos(store)):
        yield Finding(
            names[int(index)],
            Severity.NOTE,
            "misnamed",
            f"{formats[column[index]]} by its bytes; packed, as Pillow goes by the bytes too",
        )


def _is_misnamed(name: str, found: str) -> bool:
    expected = format_by_extension(name)
    return bool(expected) and expected != ("JPEG" if found == "MPO" else found)


def unlabelled(store: Samples) -> Iterator[Finding]:
    """A note on each photo of a labelled data set about which it says nothing."""
    annotations = store.annotations
    if annotations is None:
        return
    for index in np.flatnonzero(annotations.states == LabelState.MISSING).tolist():
        yield Finding(
            store.names[index],
            Severity.NOTE,
            "photo-without-labels",
            "packed as one of which nothing is known, which is not the same as no objects",
        )


def _label_bytes(store: Samples) -> int:
    header = store.header.annotations
    if header is None:
        return 0
    texts = int(store.column("label_text.offsets")[-1]) if header.label_files else 0
    return texts + sum(file.size for file in header.files)


def _state_name(code: int) -> str:
    return LabelState(code).name.lower()


def _count(codes: NDArray[Any], name: Callable[[int], str]) -> dict[str, int]:
    counts = np.bincount(codes, minlength=1)
    return {name(code): int(counts[code]) for code in np.flatnonzero(counts).tolist()}


def _split_name(names: tuple[str, ...], code: int) -> str:
    return "" if code == NO_SPLIT else names[code]


def _merge(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return {key: left.get(key, 0) + right.get(key, 0) for key in {**left, **right}}
