"""The engine's Python face: rows of data sets, pictures, the lane for Pillow, the owner."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import ConcatDataset, Subset
from torchvision.datasets import ImageFolder

from fastload import DecodeError, LMDBDataset, RecordError, _core
from fastload.engine import (
    EngineOwner,
    FilePictures,
    NotLowerable,
    StorePictures,
    rows_of,
    sampled_rows,
)
from fastload.engine.lane import PillowLane
from fastload.engine.rows import as_integers
from support.loaders import settled


@pytest.fixture
def dataset(photo_store: Path) -> LMDBDataset:
    """24 photos."""
    return LMDBDataset(photo_store)


def test_rows_are_what_the_data_set_gives(dataset, photo_folder):
    """Targets and pixels, for both kinds of source."""
    for data in (dataset, ImageFolder(str(photo_folder))):
        rows = rows_of(data)
        assert len(rows) == len(data) == 24
        indices = rows.picture_indices(np.arange(24))
        for row in range(24):
            image, target = data[row]
            assert rows.targets[row] == target
            found = rows.pictures.open(int(indices[row]))
            np.testing.assert_array_equal(found, np.asarray(image))


def test_rows_of_wrappers_are_arithmetic(dataset):
    """No wrapper is asked for a sample."""
    rows = rows_of(
        ConcatDataset([Subset(dataset, [5, -1]), Subset(Subset(dataset, range(9)), [2])])
    )
    assert rows.picture_indices(np.arange(3)).tolist() == [5, 23, 2]
    assert rows.targets.tolist() == [dataset[i][1] for i in (5, 23, 2)]


def test_rows_of_a_split(photo_store, tmp_path):
    """A split's rows lead to the store's indices."""
    dataset = LMDBDataset(photo_store)
    assert rows_of(dataset).indices is None
    dataset._members = np.array([3, 7])
    assert rows_of(dataset).picture_indices(np.array([1, 0])).tolist() == [7, 3]


def test_sources_are_made_once(photo_folder, dataset):
    """Beginning an epoch must not read a list of a million paths again."""
    for data in (dataset, ImageFolder(str(photo_folder))):
        assert rows_of(data).pictures is rows_of(data).pictures
    folder = ImageFolder(str(photo_folder))
    before = rows_of(folder).pictures
    folder.samples[0] = folder.samples[1]
    assert rows_of(folder).pictures is not before


def submitted(engine: Any, dataset: LMDBDataset, lane: int) -> Any:
    """A batch of two photos."""
    recipe = _core.Recipe([("resize", 8, 8, 2)], height=8, width=8)
    return engine.submit(rows_of(dataset).pictures.source, recipe, np.arange(2), 0, 0, lane)


def test_a_cancelled_batch_gives_its_memory_back_at_once(dataset):
    """Also where threads have other work: here they have none to begin with."""
    engine = _core.Engine(0)
    batch = submitted(engine, dataset, lane=1)
    batch.cancel()
    assert batch.done
    assert [reason for _, _, reason in batch.failures()] == ["cancelled"] * 2
    del batch
    engine.trim()
    assert engine.pool_bytes == 0


def test_memory_that_is_in_use_when_all_is_given_back_follows(dataset):
    """The last batch of a validation is let go of when the epoch is over."""
    engine = _core.Engine(0)
    batch = submitted(engine, dataset, lane=1)
    assert batch.wait(20)
    array = batch.array()
    engine.trim()
    assert engine.pool_bytes > 0
    del array, batch
    assert engine.pool_bytes == 0


@pytest.mark.parametrize("values", [["a"], [0.5], [[1, 2]], torch.tensor([0.5])])
def test_what_is_no_list_of_integers_is_refused(values):
    """Rounding would give some other sample."""
    with pytest.raises((TypeError, ValueError)):
        as_integers(values)


@pytest.mark.parametrize(
    "index",
    [[0, 2, -1], (0, 2, -1), np.array([0, 2, -1]), torch.tensor([0, 2, -1]), [False, 2, -1]],
)
def test_what_samplers_give_becomes_rows(index):
    """Lists, tensors, arrays; counted from the end where negative."""
    rows = sampled_rows(index, 5)
    assert rows.dtype == np.int64
    assert rows.tolist() == [0, 2, 4]


@pytest.mark.parametrize("wrong", [5, -6, 2**63 - 1, 2**64])
@pytest.mark.parametrize("kind", [list, tuple])
def test_an_index_outside_the_data_set_is_refused(wrong, kind):
    """As the data set itself would."""
    with pytest.raises((IndexError, OverflowError)):
        sampled_rows(kind([1, wrong]), 5)


def test_refusals_have_a_text():
    """It ends up in the plan."""
    with pytest.raises(NotLowerable, match="list is not a data set that the engine reads"):
        rows_of([1, 2])


def test_errors_of_pictures_name_them(dataset, tmp_path):
    """Sample, file and cause."""
    error = StorePictures(dataset.store).error(3, 8, "no reason")
    assert isinstance(error, RecordError)
    assert (error.index, error.name) == (3, dataset.store.names[3])
    assert "8 in the data set" in str(error)
    files = FilePictures([str(tmp_path / "x.jpg")])
    assert isinstance(files.error(0, 8, "no reason"), DecodeError)
    with pytest.raises(FileNotFoundError) as caught:
        files.open(0)
    wrapped = files.error(0, 8, caught.value)
    assert isinstance(wrapped, FileNotFoundError)
    assert "sample 8" in str(wrapped)


class FakeBatch:
    """Takes what the lane gives."""

    def __init__(self, *, cancelled: bool = False) -> None:
        self.cancelled = cancelled
        self.filled: list[int] = []
        self.failed: list[str] = []
        self.source = source

    def fill_external(self, slot: int, pixels: Any) -> None:
        """One more."""
        self.filled.append(slot)

    def fail_external(self, slot: int, message: str) -> None:
        """One less."""
        self.failed.append(message)


class FakeEngine:
    """Hands out slots."""

    def __init__(self, work: list[tuple[FakeBatch, int, int, int]]) -> None:
        self.work = work
        self.seen: set[int] = set()

    @property
    def external_pending(self) -> int:
        """What is left."""
        return len(self.work)

    def take_external(self, timeout_seconds: float) -> Any:
        """The next one."""
        self.seen.add(threading.get_ident())
        if self.work:
            return self.work.pop(0)
        threading.Event().wait(timeout_seconds)
        return None


source = object()


def opener(index: int) -> Any:
    """Fails for odd ones."""
    if index % 2:
        raise ValueError(f"picture {index}")
    return np.zeros((2, 2, 3), np.uint8)


@pytest.mark.parametrize("limit", [0, 2])
def test_lane_serves_in_threads_or_in_place(limit):
    """Errors become the slot's."""
    batch, cancelled = FakeBatch(), FakeBatch(cancelled=True)
    engine = FakeEngine([(batch, 0, 0, 0), (batch, 1, 1, 1), (cancelled, 2, 2, 2)])
    lane = PillowLane(engine, limit)
    lane.enter(source, opener)
    lane.hurry()
    assert settled(lambda: bool(cancelled.failed and batch.filled and batch.failed))
    assert (batch.filled, batch.failed) == ([0], ["ValueError: picture 1"])
    assert (threading.get_ident() in engine.seen) == (limit == 0)
    lane.leave(source)
    assert settled(lambda: not any(t.name == "fastload-pillow" for t in threading.enumerate()))
    lane.stop()


def test_lane_opens_each_picture_in_its_own_source():
    """Loaders that share an engine share its lane."""
    lane = PillowLane(FakeEngine([]), 0)
    batches = FakeBatch(), FakeBatch()
    batches[1].source = object()
    opened: list[str] = []

    def opening(name: str) -> Any:
        return lambda index: opened.append(f"{name}{index}") or np.zeros((2, 2, 3), np.uint8)

    lane.enter(batches[0].source, opening("a"))
    lane.enter(batches[1].source, opening("b"))
    lane._engine.work = [(batches[1], 0, 4, 0), (batches[0], 0, 5, 0)]
    lane.hurry()
    lane.leave(batches[0].source)
    assert opened == ["b4", "a5"]
    lane._engine.work = [(batches[0], 1, 6, 0), (batches[1], 1, 7, 0)]
    lane.hurry()
    assert opened == ["b4", "a5", "b7"]
    assert batches[0].failed == ["cancelled"]


def test_lane_drops_what_was_cancelled():
    """A batch that nobody waits for must not stay in memory."""
    cancelled = FakeBatch(cancelled=True)
    engine = FakeEngine([])
    lane = PillowLane(engine, 0)
    lane.enter(source, opener)
    engine.work = [(cancelled, 0, 0, 0)]
    lane.leave(source)
    assert cancelled.failed == ["cancelled"]


def test_lane_does_not_wait_for_whom_starts_its_threads():
    """A collection in that very moment may end the lane, and would wait for its threads."""
    lane = PillowLane(FakeEngine([]), 1)
    with lane._lock:
        lane.enter(source, opener)
    lane.leave(source)
    lane.stop()


def test_owner_makes_one_engine_and_ends_it():
    """Threads come with the first use and go with the owner."""

    def count() -> int:
        return len(os.listdir("/proc/self/task"))

    owner = EngineOwner(3)
    before = count()
    assert owner.statistics == {}
    engine, _ = owner.get()
    assert owner.get()[0] is engine
    assert count() == before + 3
    owner.close()
    assert settled(lambda: count() == before)
    assert owner.get()[0] is not engine
    del owner
    assert settled(lambda: count() == before)


def test_owner_in_a_forked_child_makes_a_new_engine(dataset):
    """The old one's threads are not there."""
    owner = EngineOwner(1)
    engine, _ = owner.get()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        fresh, _ = owner.get()
        os.write(writer, b"1" if fresh is not engine and owner.statistics["images"] == 0 else b"0")
        owner.close()
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        assert pipe.read() == b"1"
    os.waitpid(child, 0)
    assert owner.get()[0] is engine


def test_batches_of_the_core_give_their_memory_back(dataset):
    """Pool, array and engine end in any order."""
    rows = rows_of(dataset)
    recipe = _core.Recipe([("resize", 16, 16, 2)], height=16, width=16)
    engine = _core.Engine(1)
    indices = np.array([1, 2], np.int64)
    batch = engine.submit(rows.pictures.source, recipe, indices, 0, 7)
    assert batch.wait(20)
    array = batch.array()
    assert batch.array().ctypes.data == array.ctypes.data
    expected = np.asarray(Image.fromarray(rows.pictures.open(1)).resize((16, 16), 2))
    np.testing.assert_array_equal(array[0].transpose(1, 2, 0), expected)
    taken = engine.pool_bytes
    engine.close()
    np.testing.assert_array_equal(array[0].transpose(1, 2, 0), expected)
    del array, batch
    assert engine.pool_bytes < taken


def test_a_batch_says_when_its_memory_came_back(dataset):
    """Behind the return, so that the next batch can have it."""
    rows = rows_of(dataset)
    recipe = _core.Recipe([("resize", 16, 16, 2)], height=16, width=16)
    engine = _core.Engine(1)
    batch = engine.submit(rows.pictures.source, recipe, np.array([1, 2], np.int64), 0, 7)
    assert batch.source is rows.pictures.source
    assert batch.wait(20)
    addresses: list[int] = []

    def returned() -> None:
        again = engine.submit(rows.pictures.source, recipe, np.array([1, 2], np.int64), 0, 7)
        assert again.wait(20)
        addresses.append(again.array().ctypes.data)

    array = batch.array(returned)
    address = array.ctypes.data
    tensor = torch.from_numpy(array)[1:]
    del array
    assert not addresses
    del tensor
    assert addresses == [address]


def test_what_is_waited_for_comes_before_all_else(dataset):
    """A batch of the background lane, asked for, passes those of training that nobody awaits."""
    rows = rows_of(dataset)
    recipe = _core.Recipe([("resize", 16, 16, 2)], height=16, width=16)
    engine = _core.Engine(0)  # the waiting thread does the work: nothing happens beside

    def submit(lane: int) -> Any:
        return engine.submit(
            rows.pictures.source, recipe, np.array([1, 2], np.int64), 0, 7, lane=lane
        )

    training, background = submit(0), submit(1)
    assert background.wait(20)
    assert not training.done
    later = submit(1)
    assert training.wait(20)
    assert not later.done
