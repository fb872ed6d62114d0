"""What a checkpoint file is to hold, apart from how and by whom it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Format = Literal["torch", "safetensors"]

#: The ending of a file's name.
SUFFIXES: Mapping[str, str] = {"torch": ".pt", "safetensors": ".safetensors"}


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a snapshot's buffer."""

    offset: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One named piece of a file.

    Attributes:
        name: as the file format calls it, such as "data/0" or "conv1.weight".
        data: the bytes, or where in the buffer they are.
        dtype: the format's name of the element type; safetensors only.
        shape: of the tensor; safetensors only.
    """

    name: str
    data: bytes | memoryview | Range
    dtype: str = ""
    shape: tuple[int, ...] = ()

    @property
    def size_bytes(self) -> int:
        """How long the data is."""
        return self.data.size_bytes if isinstance(self.data, Range) else len(self.data)

    @property
    def view(self) -> bytes | memoryview:
        """The data of a resolved entry."""
        assert not isinstance(self.data, Range), "resolve() the plan first"
        return self.data


@dataclass(frozen=True, slots=True)
class FilePlan:
    """A file before it is written.

    Attributes:
        info: step, sequence number and metrics; kept in the file, beside its checksums. Any JSON.
    """

    format: Format
    entries: tuple[Entry, ...]
    info: Mapping[str, Any] = field(default_factory=dict)

    def resolve(self, buffer: memoryview) -> FilePlan:
        """The same with views of the buffer in place of ranges."""
        return replace(self, entries=tuple(_resolve(entry, buffer) for entry in self.entries))


def _resolve(entry: Entry, buffer: memoryview) -> Entry:
    if not isinstance(entry.data, Range):
        return entry
    start = entry.data.offset
    return replace(entry, data=buffer[start : start + entry.data.size_bytes])
