"""The page walk: what liblmdb wrote, whatever the tree's shape, and nothing outside the file."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import lmdb
import numpy as np
import pytest

from fastload.errors import StoreFormatError
from fastload.store.lmdb_file import Extent, LmdbFile
from fastload.store.lmdb_walk import integer_extents, items
from support.hostile_stores import classic_format
from support.stores import compact

Opener = Callable[[Path], LmdbFile]


@pytest.fixture
def open_file() -> Iterator[Opener]:
    """Opens pages; closes the descriptors afterwards."""
    descriptors = []

    def opener(path: Path, **options: bool) -> LmdbFile:
        descriptors.append(os.open(path, os.O_RDONLY))
        return LmdbFile(descriptors[-1], str(path), **options)

    yield opener
    for descriptor in descriptors:
        os.close(descriptor)


def write(path: Path, name: str, entries: dict[bytes, bytes], *, steps: int = 1) -> None:
    """Put ``entries`` by liblmdb, in several transactions, in random order."""
    environment = lmdb.open(
        str(path), subdir=False, lock=False, max_dbs=4, map_size=1 << 28, **classic_format()
    )
    database = environment.open_db(name.encode(), integerkey=name == "integers")
    keys = list(entries)
    random.Random(3).shuffle(keys)
    for step in range(steps):
        with environment.begin(write=True) as transaction:
            for key in keys[step::steps]:
                transaction.put(key, entries[key], db=database)
    environment.close()


def byte_entries(count: int, seed: int) -> dict[bytes, bytes]:
    source = random.Random(seed)
    return {
        source.randbytes(source.randrange(1, 500)): source.randbytes(
            source.choice((0, 1, 50, 2000, 2030, 2040, 4080, 4081, 9000))
        )
        for _ in range(count)
    }


@pytest.mark.parametrize("count", [0, 1, 2, 10, 500, 4000])
def test_byte_keys_are_found_in_trees_of_any_depth(
    tmp_path: Path, open_file: Opener, count: int
) -> None:
    entries = byte_entries(count, count)
    write(tmp_path / "x.lmdb", "things", entries, steps=3)
    compact(tmp_path / "x.lmdb", tmp_path / "y.lmdb")
    for path in (tmp_path / "x.lmdb", tmp_path / "y.lmdb"):
        file = open_file(path)
        tree = file.tree(b"things")
        assert tree is not None
        assert {key: file.read(extent) for key, extent in items(file, tree)} == entries
        for key, value in list(entries.items())[:500]:
            extent = file.get(tree, key)
            assert extent is not None
            assert file.read(extent) == value
            assert file.get(tree, key + b"\0") is None or key + b"\0" in entries
        assert file.get(tree, b"") is None
    if count == 4000:
        assert tree.depth >= 4


def test_entries_of_a_prefix_are_found_and_no_others(tmp_path: Path, open_file: Opener) -> None:
    entries = {
        f"{name}/{number:04x}".encode(): bytes(number % 900)
        for name in ("a", "aa", "ab", "b", "\x7f")
        for number in range(300)
    }
    write(tmp_path / "x.lmdb", "things", entries)
    file = open_file(tmp_path / "x.lmdb")
    tree = file.tree(b"things")
    assert tree is not None
    for prefix in (b"", b"a", b"a/", b"aa/", b"ab/", b"b/", b"\x7f/", b"c", b"a/00", b"\x00"):
        expected = sorted(key for key in entries if key.startswith(prefix))
        assert [key for key, _extent in items(file, tree, prefix)] == expected


@pytest.mark.parametrize("count", [0, 1, 100, 20_000])
def test_integer_keys_are_found_in_trees_of_any_depth(
    tmp_path: Path, open_file: Opener, count: int
) -> None:
    source = random.Random(count)
    entries = {
        struct.pack("=Q", number): source.randbytes(source.choice((1, 3, 90, 2000, 2040, 9000)))
        for number in range(count)
    }
    path = tmp_path / "x.lmdb"
    write(path, "integers", entries, steps=2)
    compact(path, tmp_path / "y.lmdb")
    for each in (path, tmp_path / "y.lmdb"):
        file = open_file(each)
        tree = file.tree(b"integers")
        assert tree is not None
        keys, offsets, lengths = integer_extents(file, tree)
        assert np.array_equal(keys, np.arange(count))
        for number in range(0, count, 7):
            extent = Extent(int(offsets[number]), int(lengths[number]))
            assert file.read(extent) == entries[struct.pack("=Q", number)]
    if count == 20_000:
        assert tree.depth >= 3


def test_the_newest_of_two_states_is_read(tmp_path: Path, open_file: Opener) -> None:
    path = tmp_path / "x.lmdb"
    for number in range(5):
        write(path, "things", {b"key": b"%d" % number})
        file = open_file(path)
        tree = file.tree(b"things")
        assert tree is not None
        extent = file.get(tree, b"key")
        assert extent is not None
        assert file.read(extent) == b"%d" % number


def test_a_file_cut_short_is_refused_at_opening(tmp_path: Path, open_file: Opener) -> None:
    path = tmp_path / "x.lmdb"
    write(path, "things", {b"key": bytes(100_000)})
    size = path.stat().st_size
    os.truncate(path, size - 1)
    with pytest.raises(StoreFormatError, match=f"expected {size} bytes, found {size - 1}"):
        open_file(path)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 10_000, bytes(10_000)])
def test_other_files_are_refused(tmp_path: Path, open_file: Opener, content: bytes) -> None:
    path = tmp_path / "x.lmdb"
    path.write_bytes(content)
    with pytest.raises(StoreFormatError, match="meta pages"):
        open_file(path)


def _root_page(file: LmdbFile) -> int:
    tree = file.tree(b"things")
    assert tree is not None
    return tree.root


def _patch(path: Path, offset: int, form: str, value: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(struct.pack(form, value))


@pytest.fixture
def deep_file(tmp_path: Path) -> Path:
    """A file whose tree has branches."""
    path = tmp_path / "deep.lmdb"
    write(path, "things", byte_entries(500, 1))
    return path


@pytest.mark.parametrize(
    ("within", "form", "value"),
    [(0, "<Q", 1), (10, "<H", 4), (10, "<H", 0x22), (12, "<H", 5000), (12, "<H", 14), (14, "<H", 0),
     (16, "<H", 0), (16, "<H", 4095), (18, "<H", 65535)],
)  # fmt: skip
def test_a_page_that_cannot_be_is_damage(
    deep_file: Path, open_file: Opener, within: int, form: str, value: int
) -> None:
    file = open_file(deep_file)
    _patch(deep_file, _root_page(file) * 4096 + within, form, value)
    tree = file.tree(b"things")
    assert tree is not None
    with pytest.raises(StoreFormatError):
        list(items(file, tree))


@pytest.mark.parametrize("target", ["itself", "outside", "meta"])
def test_a_page_number_that_cannot_be_is_damage(
    deep_file: Path, open_file: Opener, target: str
) -> None:
    """The first child of the root is sent elsewhere; the walk ends, with an error."""
    file = open_file(deep_file)
    root = _root_page(file)
    page = deep_file.read_bytes()[root * 4096 : root * 4096 + 4096]
    (pointer,) = struct.unpack_from("<H", page, 16)
    number = {"itself": root, "outside": 0xFFFF_FFFF, "meta": 1}[target]
    _patch(deep_file, root * 4096 + pointer, "<I", number)
    tree = file.tree(b"things")
    assert tree is not None
    with pytest.raises(StoreFormatError):
        list(items(file, tree))
    with pytest.raises(StoreFormatError):
        file.get(tree, b"\x00")
