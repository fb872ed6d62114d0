"""Disks that lose power: what was recorded is replayed up to a moment, less what was not synced.

Of a file, what was written behind its last fsync may be there, be missing, be cut short, or read as
zeros. Of a folder, each change of a name behind its last fsync may be there or not, whatever became
of those before it. That is more than most file systems do, and what POSIX allows.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from fastload.checkpoint.file_ops import FileOps


@dataclass(frozen=True)
class Event:
    """One recorded call: ``kind`` is "write", "sync", "names", "sync_folder" or "told"."""

    kind: str
    inode: int = -1
    data: bytes = b""
    names: tuple[tuple[str, int | None], ...] = ()
    step: int = -1


class Recorder(FileOps):
    """Does everything, and notes it; for one folder."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._names: dict[str, int] = {}
        self._open: dict[int, int] = {}
        self._count = 0

    def told(self, step: int) -> None:
        """A handle has just said that this step is durable."""
        self.events.append(Event("told", step=step))

    def create(self, path: Path) -> int:
        """A new file."""
        descriptor = super().create(path)
        self._count += 1
        self._open[descriptor] = self._count
        self._change((path.name, self._count))
        return descriptor

    def write(self, descriptor: int, data: bytes | bytearray | memoryview) -> None:
        """Behind what was written before."""
        super().write(descriptor, data)
        self.events.append(Event("write", self._open[descriptor], bytes(data)))

    def clone(self, source: int, target: int) -> bool:
        """Never: a copy has the same bytes, and more to lose."""
        return False

    def copy(self, source: int, target: int) -> None:
        """A write."""
        super().copy(source, target)
        with open(f"/proc/self/fd/{source}", "rb") as file:
            self.events.append(Event("write", self._open[target], file.read()))

    def sync(self, descriptor: int) -> None:
        """Of a file."""
        super().sync(descriptor)
        self.events.append(Event("sync", self._open[descriptor]))

    def sync_folder(self, folder: Path) -> None:
        """Of all names."""
        super().sync_folder(folder)
        self.events.append(Event("sync_folder"))

    def rename(self, source: Path, target: Path) -> None:
        """One change of two names; none where both are one file."""
        super().rename(source, target)
        inode = self._names[source.name]
        if self._names.get(target.name) != inode:
            self._change((target.name, inode), (source.name, None))

    def link(self, source: Path, target: Path) -> None:
        """A name more."""
        super().link(source, target)
        self._change((target.name, self._names[source.name]))

    def unlink(self, path: Path) -> None:
        """A name less."""
        super().unlink(path)
        self._change((path.name, None))

    def _change(self, *names: tuple[str, int | None]) -> None:
        for name, inode in names:
            if inode is None:
                del self._names[name]
            else:
                self._names[name] = inode
        self.events.append(Event("names", names=names))


def lose_power(events: list[Event], source: random.Random, folder: Path) -> int:
    """Make a folder as it may be after power went at some moment; the newest step told by then."""
    told = -1
    names: dict[str, int] = {}
    unsynced_names: list[tuple[tuple[str, int | None], ...]] = []
    synced: dict[int, bytes] = {}
    unsynced: dict[int, bytes] = {}
    for event in events[: source.randrange(len(events) + 1)]:
        if event.kind == "told":
            told = event.step
        elif event.kind == "write":
            unsynced[event.inode] = unsynced.get(event.inode, b"") + event.data
        elif event.kind == "sync":
            synced[event.inode] = synced.get(event.inode, b"") + unsynced.pop(event.inode, b"")
        elif event.kind == "names":
            unsynced_names.append(event.names)
        else:
            for change in unsynced_names:
                _apply(names, change)
            unsynced_names.clear()
    for change in unsynced_names:
        if source.random() < 0.5:
            _apply(names, change)
    folder.mkdir()
    for name, inode in names.items():
        data = synced.get(inode, b"")
        behind = unsynced.get(inode, b"")
        kept = source.randrange(len(behind) + 1)
        data += source.choice((b"", behind, behind[:kept], bytes(len(behind))))
        (folder / name).write_bytes(data)
    return told


def _apply(names: dict[str, int], change: tuple[tuple[str, int | None], ...]) -> None:
    for name, inode in change:
        if inode is None:
            names.pop(name, None)
        else:
            names[name] = inode
