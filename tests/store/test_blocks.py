"""Blocks: where records that share a value stand, from the column or from their headers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fastload.errors import RecordError, StoreFormatError
from fastload.records import Codec, Record, encode_record
from fastload.store import Store, StoreWriter, blocks
from fastload.store.blocks import BLOCK_BYTES, join_blocks, record_lengths, record_offsets
from fastload.store.columns import PREFIX_BYTES
from fastload.store.lmdb_file import LmdbFile
from fastload.store.lmdb_walk import IntegerExtents, integer_extents
from support.stores import HEADER, Sample, compact, content, pack, split_block

RECORD = Record(Codec.OTHER, 0, False, 0, 10, 20, 3, b"", b"abc")


def blocks_of(store: Store) -> IntegerExtents:
    """Where the blocks of a store stand."""
    return integer_extents(store._catalog.file, store._catalog.records)


@pytest.fixture
def store(
    tmp_path: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """The shared store's samples, in many blocks a commit."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 3000)
    pack(tmp_path / "many.lmdb", samples, group=90)
    with Store(tmp_path / "many.lmdb") as opened:
        yield opened


def without_lengths(store: Store) -> None:
    """Damage the column ``length``, so that only the headers tell."""
    pages = store._catalog.file
    columns = pages.tree(b"columns")
    assert columns is not None
    extent = pages.get(columns, b"length")
    assert extent is not None
    flip(store.path, extent.offset + PREFIX_BYTES)


def flip(path: Path, offset: int) -> None:
    """Flip a bit of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 16]))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([], []),
        ([10], [[10]]),
        ([60, 40], [[60, 40]]),
        ([60, 41], [[60], [41]]),
        ([100, 1, 99, 1], [[100], [1, 99], [1]]),
        ([500, 1, 500, 500], [[500], [1], [500], [500]]),
    ],
)
def test_a_block_is_closed_before_it_becomes_too_large(
    monkeypatch: pytest.MonkeyPatch, sizes: list[int], expected: list[list[int]]
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 100)
    records = [bytes([place]) * size for place, size in enumerate(sizes)]
    joined = list(join_blocks([(record[:10], record[10:]) for record in records]))
    assert b"".join(block for _first, block in joined) == b"".join(records)
    assert [len(block) for _first, block in joined] == [sum(block) for block in expected]
    firsts = np.cumsum([0, *(len(block) for block in expected)])[:-1].tolist()
    assert [first for first, _block in joined] == firsts


def test_many_blocks_give_what_one_a_commit_gives(store: Store, store_path: Path) -> None:
    found = blocks_of(store)
    assert len(found.keys) > 20
    assert np.any(found.lengths > 3000)
    assert np.any(np.diff(found.keys) > 1)
    with Store(store_path) as other:
        assert len(blocks_of(other).keys) == 8
        assert content(other) == content(store)


def test_photos_of_20_kilobytes_waste_little(tmp_path: Path) -> None:
    """Before blocks, half a page each."""
    body = os.urandom(20_500)
    record = replace(RECORD, body=body, source_size=len(body))
    with StoreWriter(tmp_path / "x.lmdb", HEADER) as writer:
        for number in range(1000):
            writer.append(record, name=f"{number}")
        writer.commit(1000)
        writer.publish()
    with Store(tmp_path / "x.lmdb") as store:
        assert len(blocks_of(store).keys) == -(-1000 // (BLOCK_BYTES // 20_564))
    assert (tmp_path / "x.lmdb").stat().st_size < 1.02 * 1000 * len(body)


def test_offsets_and_lengths_follow_from_the_blocks(store: Store) -> None:
    file = store._catalog.file
    lengths = record_lengths(file, blocks_of(store), len(store))
    assert np.array_equal(lengths, store.column("length"))
    offsets = record_offsets(file, blocks_of(store), lengths)
    assert np.array_equal(offsets, store.column("file_offset"))


@pytest.mark.parametrize("changes", ["first", "order", "twice", "end", "fewer", "more", "none"])
def test_blocks_that_cannot_be_are_damage(store: Store, changes: str) -> None:
    file = store._catalog.file
    keys, offsets, lengths = (values.copy() for values in blocks_of(store))
    record_bytes = store.column("length")
    if changes == "first":
        keys[0] = 1
    elif changes == "order":
        keys[[3, 4]] = keys[[4, 3]]
    elif changes == "twice":
        keys[4] = keys[3]
    elif changes == "end":
        keys[-1] = len(store)
    elif changes == "fewer":
        record_bytes = record_bytes[:-1]
    elif changes == "more":
        record_bytes = np.append(record_bytes, np.uint64(64))
    else:
        keys, offsets, lengths = keys[:0], offsets[:0], lengths[:0]
    with pytest.raises(StoreFormatError, match="expected"):
        record_offsets(file, IntegerExtents(keys, offsets, lengths), record_bytes)


def test_an_empty_store_has_no_blocks(tmp_path: Path) -> None:
    pack(tmp_path / "x.lmdb", [], problems=())
    with Store(tmp_path / "x.lmdb") as empty:
        none = np.zeros(0, np.uint64)
        assert len(record_lengths(empty._catalog.file, blocks_of(empty), 0)) == 0
        assert len(record_offsets(empty._catalog.file, blocks_of(empty), none)) == 0


@pytest.mark.parametrize("place", [8, 24, 27, 32, 35, 39])
def test_a_damaged_header_costs_no_record_outside_its_block(store: Store, place: int) -> None:
    """Lengths from headers: behind a size that does not hold, the rest of the block is lost."""
    found = blocks_of(store)
    number = int(np.argmax(np.diff(found.keys) > 4))
    first, after = int(found.keys[number]), int(found.keys[number + 1])
    expected = [store.record_bytes(index) for index in range(len(store))]
    flip(store.path, int(store.column("file_offset")[first + 1]) + place)
    without_lengths(store)
    with Store(store.path) as damaged:
        for index in (*range(first + 1), *range(after, len(store))):
            assert damaged.record_bytes(index) == expected[index]
        for index in range(first + 1, after):
            try:
                assert damaged.record_bytes(index) == expected[index]
                assert index > first + 1
            except RecordError:
                assert index == first + 1 or place != 8


def test_a_compacted_copy_is_read_with_either(store: Store, tmp_path: Path) -> None:
    """Blocks have moved; the column of lengths, or else the headers, say where records are."""
    compact(store.path, tmp_path / "copy.lmdb")
    expected = [store.record_bytes(index) for index in range(len(store))]
    for damage in (False, True):
        with Store(tmp_path / "copy.lmdb") as copy:
            if damage:
                without_lengths(copy)
            assert [copy.record_bytes(index) for index in range(len(copy))] == expected
            assert copy._records._has_walked


def test_lengths_that_do_not_fill_the_blocks_stop_a_publication(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    with StoreWriter(path, HEADER) as writer:
        for number in range(3):
            writer.append(RECORD, name=f"{number}")
        writer._group._records[1] += (b"!",)
        writer.commit(3)
        with pytest.raises(StoreFormatError, match=r"fill their blocks.*--restart"):
            writer.publish()
    assert not path.exists()


def test_the_walk_reads_no_record_where_the_lengths_are_sound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(store.path) as opened:
        reads: list[int] = []
        read = LmdbFile.read
        monkeypatch.setattr(
            LmdbFile, "read", lambda self, extent: reads.append(1) or read(self, extent)
        )
        opened._records._rebuild(opened._open_handle())
        assert len(reads) < 20


def test_a_block_splits_by_its_headers_alone(store: Store) -> None:
    data = store.path.read_bytes()
    found = blocks_of(store)
    records = []
    for offset, length in zip(found.offsets.tolist(), found.lengths.tolist(), strict=True):
        records += split_block(data[offset : offset + length])
    assert records == [store.record_bytes(index) for index in range(len(store))]
    assert records[0] == encode_record(store.record(0))
