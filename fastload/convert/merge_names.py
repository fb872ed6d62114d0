"""Samples of the same name in several stores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.counted import counted
from fastload.convert.names import printable
from fastload.errors import PackError
from fastload.store import Store

__all__ = ["samples_by_name"]

_SHOWN = 3


def samples_by_name(
    stores: Sequence[Store], prefixes: Sequence[str], duplicates: str
) -> list[NDArray[np.int64]]:
    """The samples of each store that stay, in order: int64 [n] a store.

    Names are compared by their hashes, so that the memory taken is a few bytes a sample; those
    with the same hash are then looked at.

    Args:
        stores: where names stand once each.
        prefixes: what stands before the names of each.
        duplicates: "error", or which of the stores keeps a name: "first", "last".

    Raises:
        PackError: a name stands twice, and that is an error.
    """
    hashes = np.concatenate([_hashes(*pair) for pair in zip(stores, prefixes, strict=True)])
    starts = np.cumsum([0, *map(len, stores)])
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    is_twice = np.zeros(len(order), np.bool_)
    is_twice[1:] = ordered[1:] == ordered[:-1]
    is_twice[:-1] |= is_twice[1:]
    groups: dict[bytes, list[int]] = {}
    for place in order[is_twice].tolist():
        store = int(np.searchsorted(starts, place, "right")) - 1
        name = _name(stores[store], prefixes[store], place - int(starts[store]))
        groups.setdefault(name, []).append(place)
    repeated = {name: sorted(places) for name, places in groups.items() if len(places) > 1}
    if repeated and duplicates == "error":
        raise PackError(_message(stores, starts, repeated))
    stays = np.ones(len(order), np.bool_)
    for places in repeated.values():
        stays[places] = False
        stays[places[0 if duplicates == "first" else -1]] = True
    return [np.flatnonzero(stays[starts[n] : starts[n + 1]]) for n in range(len(stores))]


def _message(
    stores: Sequence[Store], starts: NDArray[np.int64], repeated: dict[bytes, list[int]]
) -> str:
    same_bytes = 0
    for places in repeated.values():
        found = set()
        for place in places:
            store = int(np.searchsorted(starts, place, "right")) - 1
            column = stores[store].column("content_hash")
            found.add(column[place - int(starts[store])].tobytes())
        same_bytes += len(found) == 1
    shown = ", ".join(printable(name.decode("utf-8", "surrogateescape"))
                      for name in list(repeated)[:_SHOWN])  # fmt: skip
    names = counted(len(repeated), "name stands", "names stand")
    return (
        f"{names} in more than one store ({same_bytes:,} of them with the same bytes), such as "
        f"{shown}; --prefix puts the stores' names before them, --duplicates first or last keeps "
        "one of each"
    )


def _name(store: Store, prefix: str, index: int) -> bytes:
    return prefix.encode("utf-8", "surrogateescape") + store.names.encoded(index)


def _hashes(store: Store, prefix: str) -> NDArray[np.uint64]:
    names = (_core.xxh3_64(_name(store, prefix, index)) for index in range(len(store)))
    return np.fromiter(names, np.uint64, len(store))
