"""Making a store of samples of others: copied, compared with what was copied, and published."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.content_hash import ContentHash
from fastload.convert.job import GROUP_BYTES, GROUP_SECONDS
from fastload.convert.progress import Progress, Throttled
from fastload.errors import FastloadError, PackError
from fastload.records import renumber_record
from fastload.store import Problem, Store, StoreWriter
from fastload.store.copy_records import RecordCopier

__all__ = ["CopyPart", "copy_parts", "copy_state", "publish_copy"]


@dataclass(frozen=True, slots=True)
class CopyPart:
    """What is taken of one store.

    Attributes:
        copier: from it.
        indices: the samples, in the order in which they are copied.
        problems: what its packing reported.
    """

    copier: RecordCopier
    indices: NDArray[np.int64]
    problems: tuple[Problem, ...] = ()


def copy_state(stores: Sequence[Store], *facts: object) -> str:
    """A hash that says which copy this is: for the header, so that no other is gone on with."""
    text = repr(([store.header.store_id for store in stores], facts))
    return _core.xxh3_128(text.encode("utf-8", "backslashreplace")).hex()


def copy_parts(writer: StoreWriter, parts: Sequence[CopyPart], progress: Progress) -> None:
    """Copy all that is not copied yet, in order, and commit it.

    Interrupted by Ctrl-C (any KeyboardInterrupt), what is copied so far is committed.

    Raises:
        RecordError: a record is damaged.
        NoSpaceError, PackError: the store cannot be written.
    """
    if writer.publishing:
        return
    position = done = writer.committed_position
    progress.start("copying", sum(len(part.indices) for part in parts), writer.committed_count)
    throttled = Throttled(progress)
    committed_at = time.monotonic()
    try:
        for part in parts:
            skipped = min(done, len(part.indices))
            done -= skipped
            for index in part.indices[skipped:].tolist():
                before = writer.group_bytes
                part.copier.copy(index, writer)
                position += 1
                throttled.advance(1, writer.group_bytes - before)
                due = time.monotonic() - committed_at >= GROUP_SECONDS
                if due or writer.group_bytes >= GROUP_BYTES:
                    writer.commit(position)
                    committed_at = time.monotonic()
        for problem in [problem for part in parts for problem in part.problems][done:]:
            writer.report(problem)
            position += 1
    except KeyboardInterrupt:
        with suppress(FastloadError):
            writer.commit(position)
        raise
    writer.commit(position)
    throttled.flush()


def publish_copy(writer: StoreWriter, parts: Sequence[CopyPart], progress: Progress) -> str:
    """Give the copy its name, if it is one; its content hash, as ``verify`` has it.

    Raises:
        PackError: a record is not that of its store, or the store cannot be published.
    """
    hashes: list[str] = []
    writer.publish(_checker(parts, progress, hashes.append))
    return hashes[0]


def _checker(
    parts: Sequence[CopyPart], progress: Progress, say: Callable[[str], None]
) -> Callable[[Path], None]:
    def check(path: Path) -> None:
        progress.start("comparing", sum(len(part.indices) for part in parts))
        throttled = Throttled(progress)
        content = ContentHash()
        with Store(path) as copy:
            hashes, names = copy.column("content_hash"), copy.names
            place = 0
            for part in parts:
                store, prefix = part.copier.store, part.copier.prefix
                theirs = store.column("content_hash")
                for index in part.indices.tolist():
                    data = copy.record_bytes(place, verify=True)
                    expected = renumber_record(store.record_bytes(index), place)
                    is_same = data == expected and names[place] == prefix + store.names[index]
                    if not is_same or not np.array_equal(hashes[place], theirs[index]):
                        raise PackError(
                            f"{path}: sample {place} is not sample {index} of {store.path}, though "
                            "it was copied from there: the disk or the memory of this machine is "
                            "at fault; nothing was published, copy again with --restart"
                        )
                    content.add(_core.xxh3_128(data))
                    throttled.advance(1, len(data))
                    place += 1
            if place != len(copy):
                raise PackError(f"{path}: expected {place} samples, found {len(copy)}")
            throttled.flush()
            say(content.finish(copy))

    return check
