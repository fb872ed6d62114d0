"""Unpacking into another layout: photos byte for byte, labels converted."""

from __future__ import annotations

import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from fastload.convert.counted import tallied
from fastload.convert.findings import Finding, Severity
from fastload.convert.layouts.base import LayoutWriter, StoreLabels
from fastload.convert.layouts.coco import CocoWriter
from fastload.convert.layouts.spool import Spool
from fastload.convert.layouts.voc import VocWriter
from fastload.convert.layouts.yolo import YoloWriter
from fastload.convert.store_files import Outcome, StoreFiles
from fastload.store import LabelState, Store

__all__ = ["TARGET_LAYOUTS", "Relayout"]

_WRITERS: Mapping[str, Callable[[StoreLabels, Spool], LayoutWriter]] = {
    "yolo": YoloWriter,
    "coco": CocoWriter,
    "voc": VocWriter,
}
#: The layouts that labels can be written in.
TARGET_LAYOUTS = tuple(_WRITERS)
_FILE_MODE = stat.S_IFREG | 0o644


class Relayout:
    """Writes the photos of a store and its labels in another layout.

    Args:
        store: it.
        files: where to.
        layout: one of ``TARGET_LAYOUTS``.

    Attributes:
        lost: what the layout cannot hold, in words, and how much of it there is.

    Raises:
        PackError: the store has no labels of objects.
    """

    def __init__(self, store: Store, files: StoreFiles, layout: str) -> None:
        self._labels = StoreLabels(store)
        self._spool = Spool(files.root, b",\n")
        self._writer = _WRITERS[layout](self._labels, self._spool)
        self._layout = layout
        self._files = files
        self._states = self._labels.annotations.states
        self._mtimes = store.column("source_mtime_ns")
        self._lost: Counter[str] = Counter()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give back what waited to be written."""
        self._spool.close()

    @property
    def lost(self) -> Counter[str]:
        """See above; after all photos were written."""
        return self._lost + self._writer.lost()

    def sample(self, _ticket: int, index: int) -> list[Outcome]:
        """The photo of a sample, and its label file where it has one. For many threads."""
        name = self._labels.store.names[index]
        target = self._writer.photo_name(index)
        outcomes = [self._files.attempt(target, lambda: self._files.photo(index, target))]
        if self._states[index] == LabelState.DAMAGED:
            detail = "its labels could not be read when it was packed; written without labels"
            outcomes.append(Finding(name, Severity.PROBLEM, "damaged-labels", detail))
        with np.errstate(over="ignore", invalid="ignore"):  # boxes may be of any size
            converted = self._writer.convert(index)
        mtime_ns = int(self._mtimes[index])
        for file_name, data in converted.files:
            write = partial(self._files.write, file_name, data, mtime_ns, _FILE_MODE)
            outcomes.append(self._files.attempt(file_name, write))
        if converted.lost:
            with self._lock:
                self._lost.update(converted.lost)
            says = "; ".join(tallied(*each) for each in converted.lost.items())
            kind = f"not-in-{self._layout}"
            outcomes.append(
                Finding(name, Severity.NOTE, kind, f"what {self._layout} cannot hold: {says}")
            )
        return outcomes

    def rest(self) -> Iterator[list[Outcome]]:
        """What belongs to no single photo."""
        newest = int(self._mtimes.max()) if len(self._mtimes) else 0
        for name, data in self._writer.files():
            write = partial(self._files.write, name, data, newest, _FILE_MODE)
            yield [self._files.attempt(name, write)]
        kind = f"not-in-{self._layout}"
        for what, count in self._writer.lost().items():
            detail = f"what {self._layout} cannot hold: {tallied(what, count)}"
            yield [Finding("", Severity.NOTE, kind, detail)]
        for file in self._labels.header.files:
            detail = f"a file of the layout {self._labels.header.layout}; left out"
            yield [Finding(file.name, Severity.NOTE, "other-layout", detail)]
