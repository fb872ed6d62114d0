"""Disks that lose power: watched calls are done again up to a moment, less what was not synced.

Of a file, each write and cut behind its last fsync may be there, be missing, or be torn between
sectors, whatever became of those before it. Of a folder, each change of names behind its last fsync
may be there or not, likewise; a rename is one change, of both folders. That is more than most file
systems do, and what POSIX allows. A folder itself is there as soon as it has a file.
"""

from __future__ import annotations

import posixpath
import random
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

from support.call_faults import Event

SECTOR_BYTES = 512


@dataclass
class _File:
    data: bytearray = field(default_factory=bytearray)
    unsynced: list[Event] = field(default_factory=list)

    def apply(self, event: Event) -> None:
        if event.kind == "T":
            del self.data[event.offset :]
            self.data.extend(bytes(event.offset - len(self.data)))
            return
        self.data.extend(bytes(max(0, event.offset - len(self.data))))
        self.data[event.offset : event.offset + len(event.data)] = event.data

    def sync(self) -> None:
        for event in self.unsynced:
            self.apply(event)
        self.unsynced.clear()


@dataclass
class _Change:
    """Of names: to which file each leads now, 0 to none; or of the name of a folder."""

    names: dict[str, int] = field(default_factory=dict)
    renamed: tuple[str, str] | None = None

    @property
    def folders(self) -> set[str]:
        """Whose fsync makes it last."""
        return {posixpath.dirname(name) for name in (*self.names, *(self.renamed or ()))}

    def follow(self, old: str, new: str) -> None:
        """A folder, which the names may lie in, has another name."""
        self.names = {_moved(name, old, new): inode for name, inode in self.names.items()}


def _moved(name: str, old: str, new: str) -> str:
    return new + name[len(old) :] if name.startswith(f"{old}/") else name


class Disk:
    """A folder as a disk has it.

    Args:
        folder: what it holds at first, all of it synced.
    """

    def __init__(self, folder: Path) -> None:
        self._names = {
            str(path.relative_to(folder)): path.stat().st_ino
            for path in folder.rglob("*")
            if path.is_file()
        }
        self._files = {
            inode: _File(bytearray((folder / name).read_bytes()))
            for name, inode in self._names.items()
        }
        self._unsynced_names: list[_Change] = []
        self.marked = 0

    def copy(self) -> Disk:
        """Another disk in the same state."""
        return deepcopy(self)

    def do(self, event: Event) -> None:
        """One event."""
        if event.kind == "M":
            self.marked = event.offset
        elif event.kind == "F":
            folder, waiting = event.data.decode(), self._unsynced_names
            self._unsynced_names = [one for one in waiting if folder not in one.folders]
            for change in waiting:
                if folder in change.folders:
                    self._rename(change)
        elif event.kind in "CNRV":
            if event.kind == "C":
                self._files[event.inode] = _File()  # the inode of a file that is gone may be back
            to, _, source = event.data.decode().partition("\0")
            if event.kind == "V":
                self._unsynced_names.append(_Change(renamed=(source, to)))
                return
            names = {source: 0} if event.kind == "R" and source else {}
            self._unsynced_names.append(_Change(names | ({to: event.inode} if to else {})))
        else:
            file = self._files.setdefault(event.inode, _File())
            if event.kind == "S":
                file.sync()
            elif event.kind == "D":
                file.apply(event)
            else:
                file.unsynced.append(event)

    def _rename(self, change: _Change) -> None:
        for name, inode in change.names.items():
            if inode:
                self._names[name] = inode
            else:
                self._names.pop(name, None)
        if change.renamed:
            self._names = {
                _moved(name, *change.renamed): inode for name, inode in self._names.items()
            }
            for later in self._unsynced_names:
                later.follow(*change.renamed)

    def lose_power(self, source: random.Random, folder: Path) -> None:
        """Write what is left into a new folder. Ends this object's use."""
        kept = source.choice((0.0, 0.5, 0.9, 1.0))
        for change in self._unsynced_names:
            if source.random() < kept:
                self._rename(change)
        for file in self._files.values():
            for event in file.unsynced:
                if source.random() >= kept:
                    continue
                if source.random() < 0.2 and event.kind == "W":
                    sectors = source.randrange(len(event.data) // SECTOR_BYTES + 1)
                    event = Event("W", 0, event.offset, event.data[: sectors * SECTOR_BYTES])
                file.apply(event)
        folder.mkdir()
        for name, inode in self._names.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self._files[inode].data)
