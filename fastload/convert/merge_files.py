"""The attached files of several stores together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fastload.convert.names import printable
from fastload.errors import PackError
from fastload.store import AttachedFile, Store

__all__ = ["merged_files"]


def merged_files(
    stores: Sequence[Store], prefixes: Sequence[str], duplicates: str
) -> tuple[tuple[AttachedFile, ...], bytes]:
    """Their descriptions, and their bytes as stored, one behind the other.

    Args:
        stores: one or more.
        prefixes: what stands before the names of each.
        duplicates: what to do about a name that stands for different files: as for samples.

    Raises:
        PackError: a name does, and that is an error.
    """
    kept: dict[str, tuple[AttachedFile, bytes]] = {}
    for store, prefix in zip(stores, prefixes, strict=True):
        annotations = store.header.annotations
        start = 0
        for file in () if annotations is None else annotations.files:
            end = start + file.stored_size
            named = replace(file, name=prefix + file.name)
            before = kept.get(named.name)
            if before is not None and duplicates == "error" and (
                before[0].content_hash != file.content_hash
            ):  # fmt: skip
                raise PackError(
                    f"{store.path}: its file {printable(file.name)} is another one than an earlier "
                    "store's of that name; --prefix puts the stores' names before them, "
                    "--duplicates first or last keeps one"
                )
            if before is None or duplicates == "last":
                kept[named.name] = named, store.column("files.bytes")[start:end].tobytes()
            start = end
    return tuple(file for file, _ in kept.values()), b"".join(data for _, data in kept.values())
