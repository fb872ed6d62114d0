"""The source that a store was packed from, and what it has that the store does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.deduped import deduped
from fastload.convert.files import DEFAULT_MAX_FILE_BYTES, MAX_FILE_BYTES
from fastload.convert.findings import Finding, Severity
from fastload.convert.near_pairs import MOST_DISTANCE
from fastload.convert.ordered import available_cores
from fastload.convert.progress import Silent
from fastload.convert.sources import LAYOUTS, Source, SourceItem, find_source
from fastload.store import Store

__all__ = ["open_again", "unlisted"]


def open_again(store: Store, path: str) -> Source:
    """The source at ``path``, listed as it was for packing ``store``.

    Raises:
        SourceError: there is none.
    """
    options, annotations = store.header.options, store.header.annotations
    layout = str(options.get("layout", "auto"))
    source = find_source(
        path,
        layout if layout in LAYOUTS else "auto",
        follow_links=bool(options.get("follow_links")),
        extensions=tuple(filter(None, str(options.get("extensions") or "").split(","))),
        profile="yolov5" if annotations and annotations.profile == "yolov5" else "ultralytics",
    )
    if not options.get("dedupe"):
        return source
    near = options.get("near")
    return deduped(
        source,
        near=int(near) if isinstance(near, int) and 0 <= near <= MOST_DISTANCE else None,
        max_file_bytes=_max_file_bytes(options.get("max_file_bytes")),
        workers=available_cores(),
        progress=Silent(),
    )


def _max_file_bytes(value: object) -> int:
    """Of a store's options, which may be hostile."""
    fits = isinstance(value, int) and 1 <= value <= MAX_FILE_BYTES
    return value if fits and isinstance(value, int) else DEFAULT_MAX_FILE_BYTES


def unlisted(store: Store, source: Source) -> Iterator[Finding]:
    """A problem for each photo of ``source`` that is neither in ``store`` nor among its problems.

    Names are compared by their hashes, so that the memory taken is 8 bytes a sample. Of a store
    that was divided off another by shares or lists there are none: the source does not say which of
    its photos belong there, whatever its splits are called.
    """
    if store.header.options.get("divided"):
        return
    known = np.sort(np.concatenate([
        _hashes(store.names), _hashes(problem.path for problem in store.problems)
    ]))  # fmt: skip
    split = store.header.options.get("split")
    for item in source.items():
        if not isinstance(item, SourceItem):
            continue
        if split and (item.split >= len(source.split_names)
                      or source.split_names[item.split] != split):  # fmt: skip
            continue
        value = _hash(item.name)
        place = int(np.searchsorted(known, value))
        if place == len(known) or known[place] != value:
            yield Finding(
                item.name,
                Severity.PROBLEM,
                "not-packed",
                "the source has this photo, the store does not",
            )


def _hash(name: str) -> np.uint64:
    return np.uint64(_core.xxh3_64(name.encode("utf-8", "surrogateescape")))


def _hashes(names: Iterable[str]) -> NDArray[np.uint64]:
    return np.fromiter((_hash(name) for name in names), dtype=np.uint64)
