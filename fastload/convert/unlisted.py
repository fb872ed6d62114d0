"""Photos of a source folder that a store does not have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.findings import Finding, Severity
from fastload.convert.sources import LAYOUTS, SourceItem, find_source
from fastload.errors import SourceError
from fastload.store import Store

__all__ = ["unlisted"]


def unlisted(store: Store, root: str) -> Iterator[Finding]:
    """A problem for each photo in ``root`` that is neither in ``store`` nor among its problems.

    The folder is listed as it was for packing. Names are compared by their hashes, so that the
    memory taken is 8 bytes a sample.
    """
    options = store.header.options
    layout = str(options.get("layout", "auto"))
    try:
        source = find_source(
            root,
            layout if layout in LAYOUTS else "auto",
            follow_links=bool(options.get("follow_links")),
            extensions=tuple(filter(None, str(options.get("extensions") or "").split(","))),
        )
    except SourceError as error:
        yield Finding("", Severity.PROBLEM, "source-missing", str(error))
        return
    known = np.sort(np.concatenate([
        _hashes(store.names), _hashes(problem.path for problem in store.problems)
    ]))  # fmt: skip
    split_names = set(store.header.split_names)
    for item in source.items():
        if not isinstance(item, SourceItem):
            continue
        if split_names and source.split_names and source.split_names[item.split] not in split_names:
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
