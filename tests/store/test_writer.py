"""``StoreWriter``: whole groups, one packer, and the same store however often it was stopped."""

from __future__ import annotations

import errno
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import lmdb
import numpy as np
import pytest

from fastload.errors import NoSpaceError, PackError, ResumeError, StoreFormatError
from fastload.records import Codec, Record
from fastload.store import (
    PHOTO_COLUMNS,
    ColumnSpec,
    Problem,
    Store,
    StoreWriter,
    WriterHeader,
    pack_file,
    partial_path,
    publish,
)
from fastload.store.pack_file import PackFile
from support.stores import HEADER, PROBLEMS, Sample, add, content, make_samples, pack

RECORD = Record(Codec.OTHER, 0, False, 0, 10, 20, 3, b"", b"abc")


@pytest.fixture(scope="module")
def expected(store_path: Path) -> dict[str, object]:
    """What an uninterrupted packing gives."""
    with Store(store_path) as store:
        return content(store)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where to pack."""
    return tmp_path / "out.lmdb"


def contents_of(path: Path) -> dict[str, object]:
    """Everything in a published store."""
    with Store(path) as store:
        return content(store)


def test_indices_count_from_zero_over_groups_and_writers(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        assert not writer.resumed
        assert [writer.append(RECORD, name=f"{n}.png") for n in range(3)] == [0, 1, 2]
        assert (writer.count, writer.committed_count) == (3, 0)
        writer.commit(3)
        assert writer.append(RECORD, name="3.png") == 3
        assert (writer.count, writer.committed_count) == (4, 3)
        assert writer.group_bytes == 67
    with StoreWriter(path, HEADER) as writer:
        assert writer.resumed
        assert writer.count == 3
        assert writer.append(RECORD, name="3.png") == 3


def test_nothing_but_the_store_is_left(path: Path, samples: list[Sample]) -> None:
    pack(path, samples[:20])
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_id": 3}, r"class_id: expected 0\.\.2 or -1, found 3"),
        ({"class_id": -2}, "class_id"),
        ({"split": 2}, r"split: expected 0\.\.1 or 255"),
        ({"source_mtime_ns": 2**63}, "source_mtime_ns: expected int64"),
        ({"source_mode": -1}, "source_mode: expected uint32"),
        ({"warnings": 1.5}, "warnings: expected uint32"),
        ({"content_hash": b"short"}, r"content_hash: expected uint8 \(16,\)"),
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "without NUL"),
        ({"extra": {"weather": 1}}, "weather"),
        ({"extra": {"class_id": 1}}, "class_id"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_the_group_is_as_before(
    path: Path, changes: dict[str, object], message: str
) -> None:
    with StoreWriter(path, HEADER) as writer:
        writer.append(RECORD, name="a.png", class_id=1)
        with pytest.raises(ValueError, match=message):
            writer.append(RECORD, **{"name": "b.png", **changes})  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="orientation"):
            writer.append(replace(RECORD, orientation=9), name="b.png")
        assert writer.append(RECORD, name="c.png", class_id=2) == 1
        writer.commit(2)
        writer.publish()
    with Store(path) as store:
        assert list(store.names) == ["a.png", "c.png"]
        assert store.column("class_id").tolist() == [1, 2]
        assert store.header.formats == ("JPEG",)


def test_at_most_255_formats_and_splits(path: Path) -> None:
    with pytest.raises(ValueError, match="at most 255, found 256"):
        StoreWriter(path, WriterHeader(split_names=tuple(map(str, range(256)))))
    with StoreWriter(path, HEADER) as writer:
        for number in range(255):
            writer.append(RECORD, name=f"{number}", format=f"F{number}")
        with pytest.raises(ValueError, match="at most 255"):
            writer.append(RECORD, name="255", format="F255")


def test_columns_of_ones_own(path: Path) -> None:
    boxes = ColumnSpec("box", "float32", (4,))
    weights = ColumnSpec("weight", "float16")
    with StoreWriter(path, HEADER, columns=(*PHOTO_COLUMNS, boxes, weights)) as writer:
        with pytest.raises(ValueError, match=r"missing: \['box', 'weight'\]"):
            writer.append(RECORD, name="a")
        for row in range(5):
            box = np.arange(4) + row
            writer.append(RECORD, name=f"{row}", extra={"box": box, "weight": row / 2})
        with pytest.raises(ValueError, match=r"box: expected float32 \(4,\)"):
            writer.append(RECORD, name="a", extra={"box": np.zeros(3), "weight": 0})
        writer.commit(5)
        assert writer.committed_column("box").shape == (5, 4)
        writer.publish()
    with Store(path) as store:
        assert store.column("box").dtype == np.dtype("<f4")
        assert store.column("box").tolist() == [[r, r + 1, r + 2, r + 3] for r in range(5)]
        assert store.column("weight").tolist() == [0, 0.5, 1, 1.5, 2]


@pytest.mark.parametrize(
    ("name", "dtype", "shape"),
    [("a b", "uint8", ()), ("", "uint8", ()), ("a", "object", ()), ("a", "uint8", (0,)),
     ("a", "complex64", ()), ("a", "uint8", (1, 2, 3))],
)  # fmt: skip
def test_columns_that_cannot_be_stored_are_refused(
    name: str, dtype: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError, match="expected"):
        ColumnSpec(name, dtype, shape)


@pytest.mark.parametrize("stop", [0, 1, 24, 25, 26, 100, 199, 200, 201, 202])
def test_stopped_and_resumed_is_as_uninterrupted(
    path: Path, samples: list[Sample], expected: dict[str, object], stop: int
) -> None:
    with StoreWriter(path, HEADER) as writer:
        add(writer, samples[:stop], problems=PROBLEMS[: max(0, stop - 200)])
        if stop < 200:
            writer.append(RECORD, name="never committed")
    with StoreWriter(path, HEADER) as writer:
        assert writer.committed_position == stop
        assert writer.committed_count == min(stop, 200)
        assert writer.committed_problems_count == max(0, stop - 200)
        names = [os.fsencode(name) for name in writer.committed_names()]
        assert names == [sample.metadata["name"] for sample in samples[:stop]]
        sizes = [sample.record.source_size for sample in samples[:stop]]
        assert writer.committed_column("source_size").tolist() == sizes
    pack(path, samples)
    assert contents_of(path) == expected


def _fail_at(
    monkeypatch: pytest.MonkeyPatch, nth: int, *, after: bool, error: BaseException
) -> None:
    """Let the nth transaction of the process fail, before or after it took place."""
    transact = PackFile.transact
    calls = iter(range(1, 10**6))

    def failing(self: PackFile, work: Callable[[pack_file.Transaction], None], size: int) -> None:
        is_last = next(calls) == nth
        if is_last and not after:
            raise error
        transact(self, work, size)
        if is_last:
            raise error

    monkeypatch.setattr(PackFile, "transact", failing)


class Killed(BaseException):
    """Stands for a kill: nothing catches it."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("nth", range(1, 30))
def test_stopped_at_any_transaction_and_resumed_is_as_uninterrupted(
    path: Path,
    samples: list[Sample],
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    nth: int,
    after: bool,
) -> None:
    """1 begins, 2..10 are commits, then come the steps of publishing, one a transaction."""
    with monkeypatch.context() as patched:
        patched.setattr(publish, "_BATCH_BYTES", 0)
        _fail_at(patched, nth, after=after, error=Killed())
        with pytest.raises(Killed):
            pack(path, samples)
    assert not path.exists()
    with StoreWriter(path, HEADER) as writer:
        if nth > 11:
            assert writer.publishing
            assert writer.committed_position == len(samples) + len(PROBLEMS)
            assert list(writer.committed_names()) == expected["names"]
            column = writer.committed_column("content_hash")
            assert column.tobytes() == expected["columns"]["content_hash"]  # type: ignore[index]
            with pytest.raises(PackError, match="publishing has begun"):
                writer.append(RECORD, name="x")
    pack(path, samples)
    assert contents_of(path) == expected


def test_the_transactions_above_are_all_there_are(
    path: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(publish, "_BATCH_BYTES", 0)
        _fail_at(patched, 30, after=False, error=Killed())
        pack(path, samples)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_what_is_small_is_published_by_one_transaction(
    path: Path,
    samples: list[Sample],
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    with monkeypatch.context() as patched:
        _fail_at(patched, 11, after=after, error=Killed())
        with pytest.raises(Killed):
            pack(path, samples)
    with StoreWriter(path, HEADER) as writer:
        assert writer.publishing is after
    pack(path, samples)
    assert contents_of(path) == expected
    other = path.with_name("other.lmdb")
    with monkeypatch.context() as patched:
        _fail_at(patched, 12, after=False, error=Killed())
        pack(other, samples)


def test_killed_between_header_and_renaming(
    path: Path, samples: list[Sample], expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "rename", lambda *_paths: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            pack(path, samples)
    pack(path, samples)
    assert contents_of(path) == expected


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ctrl_c_in_a_commit_neither_loses_nor_doubles_the_group(
    path: Path,
    samples: list[Sample],
    expected: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    after: bool,
) -> None:
    with StoreWriter(path, HEADER) as writer:
        with monkeypatch.context() as patched:
            _fail_at(patched, 3, after=after, error=KeyboardInterrupt())
            with pytest.raises(KeyboardInterrupt):
                add(writer, samples)
        assert writer.committed_position == (75 if after else 50)
        assert writer.count == 75
        writer.commit(75)
        assert writer.committed_position == 75
        add(writer, samples)
        writer.publish()
    assert contents_of(path) == expected


def test_another_header_or_other_columns_are_refused(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        add(writer, make_samples(10))
    with pytest.raises(ResumeError, match=r"class_names: begun with .* now \('cat',\).*--restart"):
        StoreWriter(path, replace(HEADER, class_names=("cat",)))
    with pytest.raises(ResumeError, match="options"):
        StoreWriter(path, replace(HEADER, options={"resize": 128}))
    with pytest.raises(ResumeError, match="columns"):
        StoreWriter(path, HEADER, columns=PHOTO_COLUMNS[:-1])
    with StoreWriter(path, HEADER) as writer:
        assert writer.committed_count == 10


def test_a_partial_file_is_refused_or_thrown_away_on_request(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        add(writer, make_samples(10))
    with pytest.raises(PackError, match="resume or restart"):
        StoreWriter(path, HEADER, resume=False)
    other = replace(HEADER, source="/other")
    with StoreWriter(path, other, restart=True) as writer:
        assert (writer.resumed, writer.count) == (False, 0)
        add(writer, make_samples(3))
        writer.publish()
    with Store(path) as store:
        assert (len(store), store.header.source) == (3, "/other")


def test_what_is_no_file_is_never_replaced(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(PackError, match="found a device or a FIFO"):
        StoreWriter(path, HEADER, overwrite=True)
    assert path.is_fifo()


def test_a_store_that_exists_is_replaced_only_on_request_and_only_at_the_end(path: Path) -> None:
    pack(path, make_samples(5))
    with pytest.raises(PackError, match="exists already"):
        StoreWriter(path, HEADER)
    assert not partial_path(path).exists()
    with StoreWriter(path, HEADER, overwrite=True) as writer:
        add(writer, make_samples(8))
        with Store(path) as store:
            assert len(store) == 5
        writer.publish()
    with Store(path) as store:
        assert len(store) == 8


def test_a_file_that_came_into_being_meanwhile_is_not_replaced(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        add(writer, make_samples(5))
        path.write_bytes(b"mine")
        with pytest.raises(PackError, match="exists already"):
            writer.publish()
    assert path.read_bytes() == b"mine"
    path.unlink()
    pack(path, make_samples(5))


def test_uncommitted_samples_are_not_published(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        writer.append(RECORD, name="a")
        with pytest.raises(PackError, match="1 samples and 0 problems wait"):
            writer.publish()
        writer.commit(1)
        writer.publish()
        with pytest.raises(PackError, match="writer was closed"):
            writer.append(RECORD, name="b")


def test_discarded_leaves_nothing_behind(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        writer.report(Problem("a", "b", "c"))
        writer.commit(1)
        writer.discard()
        assert not list(path.parent.iterdir())
        with pytest.raises(PackError, match="closed"):
            writer.discard()
    with StoreWriter(path, HEADER) as writer:
        assert not writer.resumed


def test_a_position_never_goes_back(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        writer.commit(5)
        with pytest.raises(ValueError, match="expected 5 or more, found 4"):
            writer.commit(4)


def test_problems_and_strange_names_come_back(path: Path) -> None:
    problems = tuple(Problem(f"\udcff{n}\n\u2028", "täglich\0", "kind") for n in range(100))
    header = WriterHeader(class_names=("\udc80", "\U0001f600", ""), source="/\udcfe")
    with StoreWriter(path, header) as writer:
        for number, problem in enumerate(problems):
            writer.report(problem)
            writer.commit(number + 1)
        writer.append(RECORD, name=b"\xff\xfe/\n")
        writer.commit(101)
        writer.publish()
    with Store(path) as store:
        assert store.problems == problems
        assert store.header.class_names == header.class_names
        assert store.header.source == header.source
        assert os.fsencode(store.names[0]) == b"\xff\xfe/\n"
        assert store.find(store.names[0]) == 0


def test_a_second_packer_is_told(path: Path) -> None:
    with StoreWriter(path, HEADER), pytest.raises(PackError, match="another process is packing"):
        StoreWriter(path, HEADER)
    StoreWriter(path, HEADER).close()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_does_not_keep_the_lock(path: Path) -> None:
    """A packer's workers may outlive it; the next packer must not wait for them."""
    ours, childs = socket.socketpair()
    writer = StoreWriter(path, HEADER)
    child = os.fork()
    if child == 0:
        childs.send(b"!")
        childs.recv(1)
        os._exit(0)
    ours.recv(1)
    writer.close()
    StoreWriter(path, HEADER).close()
    ours.send(b"!")
    os.waitpid(child, 0)
    ours.close()
    childs.close()


@pytest.mark.parametrize("leftover", [b"", bytes(100), bytes(8192), bytes(20_000)])
def test_a_file_that_a_kill_or_power_loss_left_blank_is_begun_anew(
    path: Path, leftover: bytes
) -> None:
    partial_path(path).write_bytes(leftover)
    pack(path, make_samples(5))
    assert len(Store(path)) == 5


def test_begun_by_lmdb_without_a_commit_is_begun_anew(path: Path) -> None:
    environment = lmdb.open(str(partial_path(path)), subdir=False, lock=False, map_size=1 << 20)
    environment.close()
    pack(path, make_samples(5))
    assert len(Store(path)) == 5


@pytest.mark.parametrize("what", ["cut", "text", "foreign", "state"])
def test_a_damaged_partial_file_is_refused_and_left(path: Path, what: str) -> None:
    partial = partial_path(path)
    with StoreWriter(path, HEADER) as writer:
        add(writer, make_samples(50))
    data = bytearray(partial.read_bytes())
    if what == "cut":
        data = data[: len(data) // 2]
    elif what == "text":
        data = bytearray(b"text " * 10_000)
    elif what == "state":
        data[data.rindex(b'"position"') + 12] ^= 1
        data[data.index(b'"position"') + 12] ^= 1
    partial.write_bytes(data)
    if what == "foreign":
        partial.unlink()
        environment = lmdb.open(str(partial), subdir=False, lock=False, max_dbs=2)
        with environment.begin(write=True) as transaction:
            transaction.put(b"a", b"b")
        environment.close()
    before = partial.read_bytes()
    with pytest.raises(StoreFormatError, match="--restart"):
        StoreWriter(path, HEADER)
    assert partial.read_bytes() == before
    with StoreWriter(path, HEADER, restart=True) as writer:
        add(writer, make_samples(5))


def test_the_map_grows_with_the_data_and_not_beyond(path: Path) -> None:
    """One group larger than any map before; LMDB keeps the largest size it had in the file."""
    body = random.Random(1).randbytes(5_000_000)
    record = replace(RECORD, body=body, source_size=len(body))
    with StoreWriter(path, HEADER) as writer:
        for group in range(2):
            for number in range(10):
                writer.append(record, name=f"{group}/{number}")
            writer.commit(10 * (group + 1))
        writer.publish()
    size = path.stat().st_size
    assert size < 1.02 * 20 * len(body)
    map_bytes = max(struct.unpack_from("<Q", path.read_bytes(), page + 32)[0] for page in (0, 4096))
    assert size <= map_bytes < 1.2 * size + (40 << 20)
    with Store(path) as store:
        assert all(store.record(index).body == body for index in range(20))


def test_many_tiny_records_in_one_group(path: Path) -> None:
    with StoreWriter(path, HEADER) as writer:
        for number in range(30_000):
            writer.append(RECORD, name=f"{number}")
        writer.commit(30_000)
        writer.publish()
    with Store(path) as store:
        assert store.names[-1:] == ["29999"]
        assert store.record(29_999).body == b"abc"
        assert not store._records._has_walked  # the published offsets hold


LIMITED = """
import resource, signal, sys
from pathlib import Path
from fastload.errors import NoSpaceError
from fastload.store import StoreWriter
from support.stores import HEADER, add, make_samples

path, limit = Path(sys.argv[1]), int(sys.argv[2])
samples = make_samples(200)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    with StoreWriter(path, HEADER) as writer:
        try:
            add(writer, samples)
            writer.publish()
        except NoSpaceError as error:
            assert str(writer.partial_path) in str(error), error
            assert "no space left" in str(error) and "same command again" in str(error), error
            committed = writer.committed_position
            if sys.argv[3] == "retry":
                # The group is still there, and what is committed is as it was.
                assert writer.committed_position == committed
                unlimited = resource.RLIM_INFINITY
                resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
                if not writer.publishing:
                    position = committed + writer.count - writer.committed_count
                    writer.commit(position)
                    add(writer, samples)
                writer.publish()
                print("retried", committed)
            else:
                print("stopped", committed)
        else:
            print("whole")
except NoSpaceError as error:
    print("stopped at the beginning")
"""


def _needed_bytes(store_path: Path) -> int:
    return store_path.stat().st_size


@pytest.mark.parametrize("then", ["stop", "retry"])
@pytest.mark.parametrize("percent", [1, 20, 50, 80, 97])
def test_a_file_size_limit_is_told_and_nothing_is_lost(
    path: Path,
    store_path: Path,
    samples: list[Sample],
    expected: dict[str, object],
    percent: int,
    then: str,
) -> None:
    """RLIMIT_FSIZE, as a quota would, in a process of its own."""
    limit = _needed_bytes(store_path) * percent // 100
    result = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), str(limit), then],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert result.returncode == 0, result.stderr
    assert ("retried" if then == "retry" and percent > 1 else "stopped") in result.stdout
    if "stopped" in result.stdout:
        assert not path.exists()
        pack(path, samples)
    assert contents_of(path) == expected


@pytest.fixture(params=[2, 20, 50, 80, 97])
def small_disk(request: pytest.FixtureRequest, tmp_path: Path, store_path: Path) -> Iterator[Path]:
    """A tmpfs that holds a part of the store only."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = max(8192, _needed_bytes(store_path) * request.param // 100 // 4096 * 4096)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small tmpfs can be mounted by root only")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_the_partial_file_goes_on_elsewhere(
    small_disk: Path, path: Path, samples: list[Sample], expected: dict[str, object]
) -> None:
    full = small_disk / "out.lmdb"
    with pytest.raises(NoSpaceError, match="no space left"):
        pack(full, samples)
    with pytest.raises(NoSpaceError, match="no space left"):
        pack(full, samples)
    assert not full.exists()
    # What was committed can be taken to a larger disk.
    shutil.copy(partial_path(full), partial_path(path))
    pack(path, samples)
    assert contents_of(path) == expected


def test_a_disk_that_fails_is_not_called_full(
    path: Path, monkeypatch: pytest.MonkeyPatch, samples: list[Sample], expected: dict[str, object]
) -> None:
    failing = OSError(errno.EIO, "Input/output error")
    with StoreWriter(path, HEADER) as writer:
        with monkeypatch.context() as patched:
            patched.setattr(
                pack_file.Transaction, "put", lambda *_a, **_k: (_ for _ in ()).throw(failing)
            )
            with pytest.raises(PackError, match="check the disk") as caught:
                add(writer, samples)
            assert not isinstance(caught.value, NoSpaceError)
        writer.commit(25)
        add(writer, samples)
        writer.publish()
    assert contents_of(path) == expected
