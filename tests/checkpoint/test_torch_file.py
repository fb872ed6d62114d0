"""Files of format "torch" are those of torch.save, with fastload's record behind them."""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload import _core
from fastload.checkpoint import AsyncCheckpointer
from fastload.checkpoint.pickling import pickle_live
from fastload.checkpoint.plan import Entry, FilePlan
from fastload.checkpoint.record import make_info
from fastload.checkpoint.sink import Sink
from fastload.checkpoint.snapshot import plan_live
from fastload.checkpoint.storages import STORAGE_CLASSES, StorageTable
from fastload.checkpoint.torch_file import torch_entries, write_torch_file

STATES: dict[str, Any] = {
    "nothing": None,
    "numbers": {"a": 1, "b": [2.5, "text", (True, None)]},
    "one tensor": torch.arange(5),
    "sizes around the alignment": [torch.arange(n, dtype=torch.uint8) for n in range(140)],
    "empty ones": {"a": torch.empty(0), "b": torch.empty(3, 0, dtype=torch.int32)},
    "large ones": [torch.arange(300_000), torch.ones(5_000_000, dtype=torch.uint8), torch.ones(2)],
    "every dtype": [torch.tensor([1, 0, 1]).to(dtype) for dtype in STORAGE_CLASSES],
    "no dimension": torch.tensor(1 + 2j),
    "a module": torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)),
    "ordered": OrderedDict(b=torch.ones(2, 2).t(), a=torch.nn.Parameter(torch.ones(3))),
}


def write(plan: FilePlan) -> bytes:
    """The plan's file."""
    parts: list[bytes] = []
    write_torch_file(plan, Sink(lambda data: parts.append(bytes(data))))
    return b"".join(parts)


@pytest.mark.parametrize("name", STATES)
def test_bytes_are_those_of_torch_save_up_to_the_identifier(name: str):
    """Entry by entry: headers, padding, data, descriptors."""
    buffer = io.BytesIO()
    torch.save(STATES[name], buffer)
    theirs = buffer.getvalue()
    if b"archive/.storage_alignment" not in theirs:
        pytest.skip("this torch writes an older container; it reads ours all the same, as below")
    plan = plan_live(STATES[name])
    ours = write(FilePlan("torch", plan.entries, make_info(1, 2, {})))
    same = theirs.index(b"archive/.data/serialization_id")
    assert ours[:same] == theirs[:same]
    with zipfile.ZipFile(io.BytesIO(ours)) as mine, zipfile.ZipFile(buffer) as other:
        assert mine.testzip() is None
        members = [(i.filename, i.file_size, i.CRC, i.header_offset) for i in mine.infolist()]
        expected = [(i.filename, i.file_size, i.CRC, i.header_offset) for i in other.infolist()]
        assert members[: len(expected) - 1] == expected[:-1]
        assert [member[0] for member in members[len(expected) :]] == ["archive/fastload.json"]


@pytest.mark.parametrize("name", STATES)
def test_torch_load_reads_it_mapped_too(name: str, tmp_path: Path):
    """``mmap=True`` needs the data where the directory says, and aligned."""
    path = tmp_path / "a.pt"
    plan = plan_live(STATES[name])
    path.write_bytes(write(FilePlan("torch", plan.entries, make_info(1, 2, {}))))
    trusted = name == "a module"
    plain = torch.load(path, weights_only=not trusted)
    mapped = torch.load(path, weights_only=not trusted, mmap=True)
    again, original = io.BytesIO(), io.BytesIO()
    for value in (plain, mapped):
        again.seek(0)
        torch.save(value, again)
    torch.save(torch.load(io.BytesIO(_saved(STATES[name])), weights_only=not trusted), original)
    assert again.getvalue()[:-2000] == original.getvalue()[:-2000]


def _saved(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


@pytest.mark.slow
def test_files_above_4_gib(tmp_path: Path):
    """ZIP64: a storage whose size, and others whose offset, need more than 32 bits.

    Zeros are left out of the file as holes, so that it takes no room.
    """
    large = (1 << 32) + 4096
    table = StorageTable()
    small = torch.arange(1000)
    pickled = pickle_live({"large": torch.empty(large, dtype=torch.uint8), "small": small}, table)
    import mmap

    # Never written to, and private: no memory either.
    zeros = mmap.mmap(-1, large, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    entries = torch_entries(
        pickled,
        [Entry("data/0", memoryview(zeros)), Entry("data/1", memoryview(small.numpy()).cast("B"))],
    )
    path = tmp_path / "large.pt"
    nothing = _core.xxh3_64(bytes(4 << 20))
    with open(path, "wb") as file:

        def write_sparse(data: bytes | bytearray | memoryview) -> None:
            if len(data) == 4 << 20 and _core.xxh3_64(data) == nothing:
                file.seek(len(data), io.SEEK_CUR)
            else:
                file.write(data)

        write_torch_file(FilePlan("torch", entries, make_info(1, 1, {})), Sink(write_sparse))
    loaded = torch.load(path, mmap=True, weights_only=True)
    assert loaded["large"].numel() == large
    assert torch.equal(loaded["small"], small)
    with zipfile.ZipFile(path) as archive:
        assert archive.getinfo("archive/data/0").file_size == large
        assert archive.read("archive/version") == b"3\n"


def test_yolov5_reads_and_rewrites_last_without_touching_the_checkpoint(tmp_path: Path):
    """strip_optimizer: ``torch.load``, change, ``torch.save`` under the same name."""
    model = torch.nn.Linear(3, 3).half()
    state = {"epoch": 3, "model": model, "optimizer": {"state": {}}, "ema": None}
    with AsyncCheckpointer(tmp_path) as checkpointer:
        path = checkpointer.save(state, step=3).result()
        last = tmp_path / "last.pt"
        loaded = torch.load(last, map_location="cpu", weights_only=False)
        loaded["optimizer"] = None
        torch.save(loaded, last)
        assert torch.load(last, weights_only=False)["optimizer"] is None
        assert torch.load(path, weights_only=False)["optimizer"] == {"state": {}}
        found = checkpointer.load_latest(weights_only=False)
        assert found is not None
        assert torch.equal(found.state["model"].weight, model.weight)
