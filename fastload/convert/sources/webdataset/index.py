"""Where each sample's members stand, in about a hundred bytes a sample."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload import _core
from fastload.convert.sources.webdataset.shards import Shard

__all__ = ["Growing", "TarIndex"]


@dataclass(frozen=True)
class TarIndex:
    """N samples with M members in all, as arrays.

    Attributes:
        shards: the tars, in order.
        stamps: (size in bytes, mtime in ns) of each, as it was read.
        shard: of each sample, [N].
        first: each sample's first member, [N + 1].
        photo: which of its members is the photo, counted from the first, [N].
        key_ends: each key's end in ``keys``, [N].
        keys: all samples' keys, UTF-8.
        class_ids: int32 [N].
        repeated: another sample before has the same name, bool [N].
        offset, size, mtime_ns, mode: of each member, [M].
        ending: of each member, in ``endings``, [M].
        endings: what stands behind the keys, each once.
    """

    shards: Sequence[Shard]
    stamps: Sequence[tuple[int, int]]
    shard: NDArray[Any]
    first: NDArray[Any]
    photo: NDArray[Any]
    key_ends: NDArray[Any]
    keys: bytes | bytearray
    class_ids: NDArray[np.int32]
    repeated: NDArray[np.bool_]
    offset: NDArray[Any]
    size: NDArray[Any]
    mtime_ns: NDArray[Any]
    mode: NDArray[Any]
    ending: NDArray[Any]
    endings: Sequence[str]

    def __len__(self) -> int:
        return len(self.shard)

    def key(self, sample: int) -> str:
        """A sample's key: the path in the tar, up to the first dot of its last part."""
        start = int(self.key_ends[sample - 1]) if sample else 0
        return self.keys[start : int(self.key_ends[sample])].decode("utf-8", "surrogateescape")

    def members(self, sample: int) -> range:
        """Its members."""
        return range(int(self.first[sample]), int(self.first[sample + 1]))

    def photo_of(self, sample: int) -> int:
        """The member that is its photo."""
        return int(self.first[sample]) + int(self.photo[sample])

    def name(self, sample: int, member: int) -> str:
        """A member's name in the store: the tar's, and behind it the path in it."""
        shard = self.shards[int(self.shard[sample])].name
        return f"{shard}/{self.key(sample)}.{self.endings[int(self.ending[member])]}"

    def find(self, shard: int) -> NameTable:
        """Finds the members of one tar by their names."""
        samples = np.flatnonzero(self.shard == shard).tolist()
        return NameTable(self, samples)


class NameTable:
    """Member by name, for the samples of one tar; 24 bytes a member."""

    def __init__(self, index: TarIndex, samples: Sequence[int]) -> None:
        found = [
            (_hash(index.name(sample, member)), sample, member)
            for sample in samples
            if not index.repeated[sample]
            for member in index.members(sample)
        ]
        found.sort()
        self._index = index
        self._hashes = np.array([row[0] for row in found], np.uint64)
        self._places = np.array([row[1:] for row in found], np.int64).reshape(-1, 2)

    def member(self, name: str) -> int | None:
        """The member of that name, or None."""
        place = int(np.searchsorted(self._hashes, np.uint64(_hash(name))))
        while place < len(self._hashes) and int(self._hashes[place]) == _hash(name):
            sample, member = self._places[place].tolist()
            if self._index.name(sample, member) == name:
                return int(member)
            place += 1
        return None


class Growing:
    """An index while it is made."""

    def __init__(self) -> None:
        self.shard, self.first, self.photo = array("I"), array("Q", [0]), array("I")
        self.key_ends, self.keys = array("Q"), bytearray()
        self.offset, self.size, self.mtime_ns = array("Q"), array("Q"), array("q")
        self.mode, self.ending = array("H"), array("I")
        self.endings: dict[str, int] = {}
        self._key_hashes, self._name_hashes = array("Q"), array("Q")

    def add_member(self, ending: str, offset: int, size: int, mtime_ns: int, mode: int) -> None:
        """One member of the next sample."""
        self.offset.append(offset)
        self.size.append(size)
        self.mtime_ns.append(mtime_ns)
        self.mode.append(mode)
        self.ending.append(self.endings.setdefault(ending, len(self.endings)))

    def add_sample(self, shard: int, name: str, key: str, photo: int, photo_ending: str) -> None:
        """The sample of the members that were added since the last one."""
        self.shard.append(shard)
        self.first.append(len(self.offset))
        self.photo.append(photo)
        encoded = key.encode("utf-8", "surrogateescape")
        self.keys += encoded
        self.key_ends.append(len(self.keys))
        self._key_hashes.append(_core.xxh3_64(encoded))
        self._name_hashes.append(_hash(f"{name}/{key}.{photo_ending}"))

    def finish(
        self,
        shards: Sequence[Shard],
        stamps: Sequence[tuple[int, int]],
        class_ids: NDArray[np.int32],
    ) -> tuple[TarIndex, int]:
        """The index, and how many keys stand in several tars."""
        names = _array(self._name_hashes)
        repeated = np.ones(len(names), np.bool_)
        repeated[np.unique(names, return_index=True)[1]] = False
        keys = len(np.unique(_array(self._key_hashes)[~repeated]))
        index = TarIndex(
            shards, stamps, _array(self.shard), _array(self.first), _array(self.photo),
            _array(self.key_ends), self.keys, class_ids, repeated, _array(self.offset),
            _array(self.size), _array(self.mtime_ns), _array(self.mode), _array(self.ending),
            list(self.endings),
        )  # fmt: skip
        return index, int(np.count_nonzero(~repeated)) - keys


def _array(values: array[int]) -> NDArray[Any]:
    return np.frombuffer(values, np.dtype(values.typecode)) if values else np.empty(0, np.uint64)


def _hash(name: str) -> int:
    return _core.xxh3_64(name.encode("utf-8", "surrogateescape"))
