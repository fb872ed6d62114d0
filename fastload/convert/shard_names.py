"""What the files of a folder of shards are called."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["DONE", "LOCK", "columns_name", "is_ours", "next_generation", "shard_name"]

#: Beside a shard's file, while others are still to be made: its entry in the manifest.
DONE = ".done"
#: In a folder that is being packed: whoever packs it holds its lock.
LOCK = ".lock"

_OURS = re.compile(
    rf"(?:shard-\d{{5,}}|columns)(?:-(\d+))?\.lmdb(?:{re.escape(DONE)})?(?:\.partial)?"
    rf"|manifest\.json\.partial|{re.escape(LOCK)}",
    re.ASCII,
)


def shard_name(number: int, generation: int) -> str:
    """A shard's file; of a set that replaces another in its folder, with a further number."""
    return f"shard-{number:05}{_suffix(generation)}.lmdb"


def columns_name(generation: int) -> str:
    """The file of columns."""
    return f"columns{_suffix(generation)}.lmdb"


def is_ours(name: str) -> bool:
    """Whether only packing shards makes files of that name (but for the manifest)."""
    return _OURS.fullmatch(name) is not None


def next_generation(folder: Path) -> int:
    """A number that no file in a folder has in its name: 0 where there is none."""
    return 1 + max(_generations(path.name for path in folder.glob("*")), default=-1)


def _generations(names: Iterable[str]) -> Iterable[int]:
    for name in names:
        found = _OURS.fullmatch(name)
        if found is not None and name != LOCK:
            yield int(found[1] or 0)


def _suffix(generation: int) -> str:
    return f"-{generation}" if generation else ""
