"""``Store``: gives what was packed, tells damage, and is at home in threads and processes."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import shutil
import struct
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from fastload.errors import RecordError, StoreClosedError, StoreError, StoreFormatError
from fastload.records import Codec, encode_record
from fastload.store import Store, StoreWriter, partial_path, record_file
from fastload.store.catalog import Catalog
from fastload.store.columns import PREFIX_BYTES
from support.children import read_all
from support.stores import (
    HEADER,
    PROBLEMS,
    Sample,
    add,
    compact,
    content,
    make_samples,
    pack,
    split_block,
)


@pytest.fixture
def store(store_path: Path) -> Iterator[Store]:
    """The shared store, open."""
    with Store(store_path) as opened:
        yield opened


@pytest.fixture
def own_path(store_path: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    path = tmp_path / "own.lmdb"
    shutil.copy(store_path, path)
    return path


def patch(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def flip(path: Path, offset: int) -> None:
    """Flip a bit of a file."""
    patch(path, offset, bytes([path.read_bytes()[offset] ^ 4]))


def data_offset(store: Store, name: str) -> int:
    """Where a column's data begins in the file (pages that are free may hold old copies)."""
    pages = store._catalog.file
    columns = pages.tree(b"columns")
    assert columns is not None
    extent = pages.get(columns, name.encode())
    assert extent is not None
    return extent.offset + PREFIX_BYTES


def test_everything_packed_comes_back(store: Store, samples: list[Sample]) -> None:
    assert len(store) == len(samples)
    for index, sample in enumerate(samples):
        assert store.record(index) == replace(sample.record, index=index)
        assert store.record_bytes(index) == encode_record(sample.record, index=index)
        metadata = sample.metadata
        assert os.fsencode(store.names[index]) == metadata["name"]
        for name in ("class_id", "split", "source_mtime_ns", "source_mode", "warnings"):
            assert store.column(name)[index] == metadata[name], name
        assert store.column("content_hash")[index].tobytes() == metadata["content_hash"]
        assert store.header.formats[store.column("format")[index]] == metadata["format"]
        for name in ("height", "width", "orientation", "codec", "source_size"):
            assert store.column(name)[index] == getattr(sample.record, name), name
        assert store.column("length")[index] == len(store.record_bytes(index))
    assert store.problems == PROBLEMS


def test_the_header_says_what_was_given_and_counted(store: Store, samples: list[Sample]) -> None:
    header = store.header
    for name in ("class_names", "split_names", "source", "created_by", "tile_width", "options"):
        assert getattr(header, name) == getattr(HEADER, name)
    assert header.sample_count == len(samples)
    assert header.problems_count == len(PROBLEMS)
    assert header.source_count == len(samples) + len(PROBLEMS)
    assert len(bytes.fromhex(header.store_id)) == 16
    assert header.formats == ("JPEG", "PNG", "BMP")


def test_original_files_come_back_but_those_of_raw_pixels(
    store: Store, samples: list[Sample]
) -> None:
    for index, sample in enumerate(samples[:30]):
        if sample.record.codec is Codec.RAW:
            with pytest.raises(RecordError, match="not kept") as caught:
                store.read_source(index)
            assert caught.value.index == index
        else:
            assert store.read_source(index) == sample.record.body


def test_plain_lmdb_reads_the_same_records(store_path: Path, store: Store) -> None:
    environment = lmdb.open(str(store_path), subdir=False, readonly=True, lock=False, max_dbs=4)
    records = environment.open_db(b"records", create=False)
    with environment.begin() as transaction:
        found = []
        for key, block in transaction.cursor(db=records):
            assert struct.unpack("=Q", key) == (len(found),)
            found += split_block(block)
    environment.close()
    assert found == [store.record_bytes(index) for index in range(len(store))]
    assert [entry.name for entry in store_path.parent.iterdir()] == [store_path.name]


def test_columns_are_read_only_views_of_the_file_aligned_to_64_bytes(store: Store) -> None:
    for name in store.column_names:
        values = store.column(name)
        assert not values.flags.writeable
        assert not values.flags.owndata
        assert values.ctypes.data % 64 == 0, name
        assert store.column(name) is values


def test_an_unknown_column_names_those_there_are(store: Store) -> None:
    with pytest.raises(KeyError, match=r"no column 'weather'; there are \['class_id'"):
        store.column("weather")


@pytest.mark.parametrize("index", [-1, 200, 10**30])
def test_an_index_outside_is_an_index_error(store: Store, index: int) -> None:
    with pytest.raises(IndexError, match=r"expected a sample index of 0\.\.199"):
        store.record(index)


def test_numpy_integers_are_indices(store: Store) -> None:
    assert store.record_bytes(np.int64(3)) == store.record_bytes(3)  # type: ignore[arg-type]


def test_a_compacted_copy_reads_the_same_after_one_walk(
    store_path: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compaction by lmdb moves pages: the offsets that were published do not hold."""
    compact(store_path, tmp_path / "copy.lmdb")
    walks = []
    walk = record_file.integer_extents
    monkeypatch.setattr(
        record_file, "integer_extents", lambda *given: walks.append(1) or walk(*given)
    )
    with Store(tmp_path / "copy.lmdb") as copy:
        assert content(copy) == content(store)
    assert len(walks) == 1


def test_many_threads_on_a_compacted_copy_walk_once(
    store_path: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    compact(store_path, tmp_path / "copy.lmdb")
    walks = []
    walk = record_file.integer_extents
    monkeypatch.setattr(
        record_file, "integer_extents", lambda *given: walks.append(1) or walk(*given)
    )
    with Store(tmp_path / "copy.lmdb") as copy, ThreadPoolExecutor(8) as threads:
        found = list(threads.map(copy.record_bytes, range(len(copy))))
    assert found == [store.record_bytes(index) for index in range(len(store))]
    assert len(walks) == 1


def test_a_thread_that_is_late_does_not_bring_back_offsets_that_do_not_hold(
    store_path: Path, tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it reads the columns, another finds out that they are wrong."""
    compact(store_path, tmp_path / "copy.lmdb")
    load, others = Catalog.load, []

    def load_late(self: Catalog, name: str, handle: Any) -> Any:
        if name == "length" and not others:
            others.append(threading.Thread(target=copy.record_bytes, args=(5,)))
            others[0].start()
            others[0].join(60)
        return load(self, name, handle)

    monkeypatch.setattr(Catalog, "load", load_late)
    with Store(tmp_path / "copy.lmdb") as copy:
        assert [copy.record_bytes(index) for index in range(9)] == [
            store.record_bytes(index) for index in range(9)
        ]
    assert others


def test_a_damaged_body_is_told_by_index_and_name(own_path: Path, store: Store) -> None:
    offset, length = (int(store.column(name)[7]) for name in ("file_offset", "length"))
    flip(own_path, offset + length - 1)
    with Store(own_path) as damaged:
        for _ in range(2):
            with pytest.raises(RecordError, match=r"sample 7 .*checksum") as caught:
                damaged.record(7)
            assert caught.value.index == 7
            assert caught.value.name == store.names[7]
        for index in (*range(7), *range(8, 200)):
            assert damaged.record_bytes(index) == store.record_bytes(index)


@pytest.mark.parametrize("position", [0, 4, 5, 8, 24, 40, 56, 63])
def test_a_damaged_record_header_is_told(own_path: Path, store: Store, position: int) -> None:
    flip(own_path, int(store.column("file_offset")[7]) + position)
    with Store(own_path) as damaged, pytest.raises(RecordError, match="sample 7 "):
        damaged.record(7)


def test_another_record_in_its_place_is_told(own_path: Path, store: Store) -> None:
    """Its checksums hold; only its index says that it is not the one."""
    offset, length = (int(store.column(name)[7]) for name in ("file_offset", "length"))
    other = encode_record(replace(store.record(7), index=8))
    assert len(other) == length
    patch(own_path, offset, other)
    with Store(own_path) as damaged, pytest.raises(RecordError, match="found record 8"):
        damaged.record(7)


def test_header_and_head_are_compared_at_every_read_and_the_body_once(
    own_path: Path, store: Store
) -> None:
    offset, length = (int(store.column(name)[7]) for name in ("file_offset", "length"))
    with Store(own_path) as damaged:
        damaged.record(7)
        flip(own_path, offset + length - 1)
        damaged.record(7)
        with pytest.raises(RecordError, match="checksum"):
            damaged.record(7, verify=True)
        flip(own_path, offset + 16)
        with pytest.raises(RecordError, match="checksum"):
            damaged.record(7)
        damaged.record(8, verify=False)


def test_a_damaged_column_is_told_when_it_is_asked_for(own_path: Path, store: Store) -> None:
    flip(own_path, data_offset(store, "height") + 10)
    with Store(own_path) as damaged:
        assert damaged.column("width").tobytes() == store.column("width").tobytes()
        with pytest.raises(StoreFormatError, match=r"checksum .* of column height"):
            damaged.column("height")


@pytest.mark.parametrize("name", ["file_offset", "length"])
def test_records_are_read_without_a_damaged_offset_column(
    own_path: Path, store: Store, name: str
) -> None:
    flip(own_path, data_offset(store, name) + 9)
    with Store(own_path) as damaged:
        for index in range(len(store)):
            assert damaged.record_bytes(index) == store.record_bytes(index)
        with pytest.raises(StoreFormatError, match=f"of column {name}"):
            damaged.column(name)


def test_damaged_names_do_not_hide_a_damaged_record(own_path: Path, store: Store) -> None:
    flip(own_path, data_offset(store, "names.bytes"))
    flip(own_path, int(store.column("file_offset")[7]))
    with Store(own_path) as damaged:
        with pytest.raises(StoreFormatError, match=r"column names\.bytes"):
            damaged.names  # noqa: B018  a property that reads the file
        with pytest.raises(RecordError, match="name unreadable") as caught:
            damaged.record(7)
        assert caught.value.name is None


def test_a_half_packed_store_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    with StoreWriter(path, HEADER) as writer:
        add(writer, make_samples(30))
    with pytest.raises(StoreFormatError, match=r"half-packed: .* run the same command again"):
        Store(partial_path(path))


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Store(tmp_path / "missing.lmdb")
    with pytest.raises(StoreFormatError, match="found a folder"):
        Store(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(StoreFormatError, match="found no regular file"):
        Store(tmp_path / "fifo")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8" * 10_000)
    with pytest.raises(StoreFormatError, match="another kind of file"):
        Store(tmp_path / "photo.jpg")
    environment = lmdb.open(str(tmp_path / "other.lmdb"), subdir=False, lock=False, max_dbs=2)
    environment.open_db(b"things")
    environment.close()
    with pytest.raises(StoreFormatError, match="of a fastload store"):
        Store(tmp_path / "other.lmdb")


def test_a_store_cut_short_while_open_raises_and_does_not_crash(
    own_path: Path, store: Store
) -> None:
    with Store(own_path) as cut:
        os.truncate(own_path, 20_000)
        for index in range(len(cut)):
            with pytest.raises(RecordError):
                cut.record(index)
        with pytest.raises(StoreFormatError, match="cut short"):
            cut.column("class_id")


def test_a_closed_store_says_so_and_its_columns_stay(store_path: Path, store: Store) -> None:
    closed = Store(store_path)
    heights = closed.column("height")
    descriptor = closed.fileno()
    closed.close()
    closed.close()
    assert closed.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    for use in (
        lambda: closed.record(0),
        lambda: closed.column("height"),
        lambda: closed.problems,
        lambda: closed.names,
        closed.fileno,
    ):
        with pytest.raises(StoreClosedError, match="was closed"):
            use()
    assert heights.tobytes() == store.column("height").tobytes()
    assert len(closed) == 200


def test_opening_and_closing_leaves_no_descriptors(store_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(50):
        with Store(store_path) as opened:
            opened.names[5]
            opened.column("class_id")
            opened.record(0)
            del opened
    assert len(os.listdir("/proc/self/fd")) == before


def test_threads_read_while_another_closes(store_path: Path, store: Store) -> None:
    """A read either gives the record or says that the store was closed; never other bytes."""
    expected = [store.record_bytes(index) for index in range(len(store))]
    for _ in range(10):
        opened = Store(store_path)
        wrong: list[object] = []
        started = threading.Barrier(5)

        def read(opened: Store = opened, wrong: list[object] = wrong) -> None:
            started.wait()  # noqa: B023  used in this round only
            try:
                while True:
                    for index, data in enumerate(expected):
                        if opened.record_bytes(index) != data:
                            wrong.append(index)
            except StoreClosedError:
                pass
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        started.wait()
        opened.close()
        os.close(os.open(os.devnull, os.O_RDONLY))
        for thread in threads:
            thread.join()
        assert not wrong


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_store_carries_over_to_processes(store: Store, method: str) -> None:
    store.record(0)
    with multiprocessing.get_context(method).Pool(2) as pool:
        for found in pool.map(read_all, [store, store]):
            assert found == read_all(store)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_uses_the_inherited_store_while_the_parent_reads(store: Store) -> None:
    expected = read_all(store)
    child = os.fork()
    if child == 0:
        os._exit(0 if all(read_all(store) == expected for _ in range(20)) else 1)
    for _ in range(20):
        assert read_all(store) == expected
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_several_stores_on_one_file_at_once(store_path: Path, store: Store) -> None:
    with Store(store_path) as other, Store(store_path) as third:
        other.close()
        assert content(third) == content(store)


def test_a_pickle_is_a_path_and_notices_another_store_there(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pack(path, make_samples(10))
    with Store(path) as opened:
        pickled = pickle.dumps(opened)
        assert len(pickled) < 500
    with pickle.loads(pickled) as again:
        assert again.record(3).index == 3
    pack(path, make_samples(10), overwrite=True)
    with pytest.raises(StoreFormatError, match="was replaced meanwhile"):
        pickle.loads(pickled)


def test_a_replaced_store_goes_on_reading_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "x.lmdb"
    pack(path, make_samples(10, seed=1))
    with Store(path) as opened:
        expected = content(opened)
        pack(path, make_samples(20, seed=2), overwrite=True)
        assert content(opened) == expected
    with Store(path) as new:
        assert len(new) == 20


def test_an_empty_store_is_a_store(tmp_path: Path) -> None:
    pack(tmp_path / "x.lmdb", [], problems=())
    with Store(tmp_path / "x.lmdb") as empty:
        assert len(empty) == 0
        assert list(empty.names) == []
        assert empty.find("x") is None
        assert empty.column("class_id").shape == (0,)
        assert empty.column("content_hash").shape == (0, 16)
        assert empty.problems == ()


def test_opening_takes_no_python_object_a_sample(tmp_path: Path) -> None:
    """Allocated blocks are counted before and after, with all columns touched."""
    pack(tmp_path / "x.lmdb", make_samples(5000, large=300), group=1000)
    with Store(tmp_path / "x.lmdb") as warm:
        content(warm)
    before = sys.getallocatedblocks()
    with Store(tmp_path / "x.lmdb") as opened:
        opened.names[5]
        for name in opened.column_names:
            opened.column(name)
        assert sys.getallocatedblocks() - before < 2000


def test_errors_of_the_store_share_a_base() -> None:
    assert issubclass(RecordError, StoreError)
    assert issubclass(StoreFormatError, StoreError)
