"""``merge``: several stores become one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastload.convert.copying import CopyPart, copy_parts, copy_state, publish_copy
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.merge_plan import CLASSES, DUPLICATES, SPLITS, MergePlan
from fastload.convert.progress import Progress, Silent
from fastload.convert.targets import exists_error, linked_path
from fastload.store import Store, StoreWriter

__all__ = ["MergeReport", "merge"]

AnyPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class MergeReport:
    """What ``merge`` returns.

    Attributes:
        stores: what was merged.
        destination: the store that was made.
        photos: samples in it.
        left_out: samples of a name that another store has too, with ``duplicates``.
        class_names: in the order of class ids.
        split_names: in the order of split ids.
        store_bytes: its size.
        content_hash: as ``verify`` has it.
        tally: notes.
        seconds: how long it took.
    """

    stores: tuple[Path, ...]
    destination: Path
    photos: int
    left_out: int
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    store_bytes: int
    content_hash: str
    tally: Tally
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "stores": [str(path) for path in self.stores],
            "destination": str(self.destination),
            "photos": self.photos,
            "left_out": self.left_out,
            "classes": len(self.class_names),
            "splits": list(self.split_names),
            "store_bytes": self.store_bytes,
            "content_hash": self.content_hash,
            "notes": self.tally.as_json(Severity.NOTE),
            "seconds": round(self.seconds, 3),
        }


def merge(
    stores: Sequence[AnyPath],
    destination: AnyPath,
    *,
    classes: str = "same",
    splits: str = "keep",
    duplicates: str = "error",
    prefix: bool = False,
    overwrite: bool = False,
    restart: bool = False,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> MergeReport:
    """Merge ``stores`` into the store ``destination``: their samples one store after the other.

    Records are copied as they are, and compared with those they were copied from before the store
    is published. Killed at any moment, the same call goes on.

    Args:
        stores: their files; sharded stores too.
        destination: the file of the store to make.
        classes: "same": all stores must have the same classes, in whatever order; "union": those of
            all, in sorted order where each store's are sorted.
        splits: "keep": named splits stay, and those of one name become one; "stores": each store is
            a split of the name of its file; "none": there are none.
        duplicates: where stores have samples of the same name: "error", or keep that of the
            "first" or of the "last" store.
        prefix: put the name of a store's file, without its ending, before the names in it.
        overwrite: replace ``destination`` where it exists.
        restart: throw a half-made store away instead of going on with it.
        progress: shown how far it is.
        on_finding: called with each note.

    Raises:
        PackError: the stores do not fit together, or ``destination`` exists or cannot be written.
        ResumeError: a half-made store is of other stores, or was made with other choices.
        StoreError: one of them cannot be read.
    """
    for name, value, allowed in (
        ("classes", classes, CLASSES), ("splits", splits, SPLITS),
        ("duplicates", duplicates, DUPLICATES),
    ):  # fmt: skip
        if value not in allowed:
            raise ValueError(f"{name}: expected one of {allowed}, found {value!r}")
    if not stores:
        raise ValueError("stores: expected one or more")
    started = time.monotonic()
    path = linked_path(destination)
    if path.exists() and not overwrite:
        raise exists_error(path)
    tally = Tally()
    with ExitStack() as stack:
        opened = [stack.enter_context(Store(store)) for store in stores]
        plan = MergePlan(
            opened, classes, splits, duplicates, prefix, note=tally.listener(on_finding)
        )
        header, files = plan.header(copy_state(opened, classes, splits, duplicates, prefix))
        writer = stack.enter_context(
            StoreWriter(
                path,
                header,
                columns=plan.columns,
                files=files,
                restart=restart,
                overwrite=overwrite,
            )
        )
        parts: list[CopyPart] = plan.parts(header)
        shown = progress or Silent()
        copy_parts(writer, parts, shown)
        content_hash = publish_copy(writer, parts, shown)
        return MergeReport(
            stores=tuple(Path(store.path) for store in opened),
            destination=path,
            photos=sum(len(part.indices) for part in parts),
            left_out=plan.left_out,
            class_names=header.class_names,
            split_names=header.split_names,
            store_bytes=path.stat().st_size,
            content_hash=content_hash,
            tally=tally,
            seconds=time.monotonic() - started,
        )
