"""Damage of every kind is found before anything is made of a file, and said."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

import fastload
from fastload.checkpoint import AsyncCheckpointer, load_checkpoint, load_latest
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.record import decode_record
from fastload.checkpoint.temporary import create_temporary
from fastload.checkpoint.verify import verify_file
from fastload.errors import CheckpointDamagedError, CheckpointError


@pytest.fixture(params=["torch", "safetensors"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Three checkpoints."""
    with AsyncCheckpointer(tmp_path, format=request.param, last_name="") as checkpointer:
        for step in (1, 2, 3):
            values = {"a": torch.full((600,), step), "b": torch.arange(100_000)}
            checkpointer.save(values, step=step, metrics={"m": step})
    return tmp_path


def newest(folder: Path) -> Path:
    """The file of step 3."""
    return max(folder.iterdir())


def test_every_flipped_bit_is_found(folder: Path):
    """At random places, and at every byte of the beginning and the end."""
    path = newest(folder)
    data = path.read_bytes()
    source = random.Random(1)
    places = {*range(300), *range(len(data) - 700, len(data))}
    places |= {source.randrange(len(data)) for _ in range(300)}
    for place in sorted(places):
        flipped = bytearray(data)
        flipped[place] ^= 1 << source.randrange(8)
        path.write_bytes(flipped)
        with pytest.raises(CheckpointDamagedError):
            verify_file(path)
    path.write_bytes(data)
    verify_file(path)


def test_every_truncation_and_extension_is_found(folder: Path):
    """Also where a file system leaves zeros behind a crash."""
    path = newest(folder)
    data = path.read_bytes()
    source = random.Random(2)
    lengths = {*range(40), *range(len(data) - 400, len(data))}
    lengths |= {source.randrange(len(data)) for _ in range(60)}
    for length in sorted(lengths):
        for filler in (b"", bytes(len(data) - length)):
            path.write_bytes(data[:length] + filler)
            if path.read_bytes() != data:
                with pytest.raises(CheckpointDamagedError):
                    verify_file(path)
    for extra in (b"\0", b"x" * 100, data):
        path.write_bytes(data + extra)
        with pytest.raises(CheckpointDamagedError):
            verify_file(path)


def test_the_newest_whole_one_is_loaded_and_the_others_named(folder: Path):
    """With the reason."""
    suffix = newest(folder).suffix
    newest(folder).write_bytes(newest(folder).read_bytes()[:-1])
    middle = folder / f"step-000000002{suffix}"
    data = bytearray(middle.read_bytes())
    data[-100_000] ^= 1
    middle.write_bytes(data)
    (folder / f"step-000000009{suffix}").write_bytes(b"")
    (folder / f"step-000000008{suffix}").mkdir()
    found = load_latest(folder)
    assert found is not None
    assert found.step == 1
    assert found.state["a"][0] == 1
    skipped = {skip.path.name[5:14]: skip.reason for skip in found.skipped}
    assert set(skipped) == {"000000002", "000000003", "000000008", "000000009"}
    assert "checksum" in skipped["000000002"]


def test_none_whole_is_an_error_and_none_at_all_is_none(folder: Path, tmp_path: Path):
    """Training from step 0 by accident would be worse."""
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointDamagedError, match="3 checkpoints, and none is whole"):
        load_latest(folder)
    assert load_latest(tmp_path / "missing") is None
    (tmp_path / "empty").mkdir()
    assert load_latest(tmp_path / "empty") is None


def test_other_files_are_left_alone(folder: Path):
    """Whatever else stands in the folder."""
    (folder / "step-5.pt").write_bytes(b"mine")
    (folder / "notes.txt").write_bytes(b"mine")
    (folder / ".hidden.1.fastload-tmp").write_bytes(b"not of that form")
    with AsyncCheckpointer(folder, keep_last=1) as checkpointer:
        checkpointer.save({"a": 1}, step=10)
    assert (folder / "step-5.pt").exists()
    assert (folder / "notes.txt").exists()
    assert (folder / ".hidden.1.fastload-tmp").exists()


class Evil:
    """Runs code when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return (os.mkdir, (self.path,))


def test_pickles_run_no_code_unless_asked_for(tmp_path: Path):
    """A whole file with objects in it is an error, not one to skip."""
    with AsyncCheckpointer(tmp_path) as checkpointer:
        checkpointer.save({"a": 1}, step=1)
        path = checkpointer.save({"a": Evil(tmp_path / "was here")}, step=2).result()
    with pytest.raises(CheckpointError, match=r"(?s)is whole, but .*weights_only=False") as caught:
        load_latest(tmp_path)
    assert not isinstance(caught.value, CheckpointDamagedError)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not (tmp_path / "was here").exists()
    load_latest(tmp_path, weights_only=False)
    assert (tmp_path / "was here").exists()


def test_a_file_of_torch_save_is_not_taken_for_a_checkpoint(tmp_path: Path):
    """Nothing vouches for its bytes."""
    torch.save({"a": 1}, tmp_path / "step-000000001.pt")
    with pytest.raises(CheckpointDamagedError, match="written by something else"):
        load_checkpoint(tmp_path / "step-000000001.pt")


def test_copies_elsewhere_are_checked_too(folder: Path, tmp_path: Path):
    """The checksums are part of the file."""
    copied = tmp_path / "elsewhere" / f"copy{newest(folder).suffix}"
    copied.parent.mkdir()
    shutil.copy(newest(folder), copied)
    assert load_checkpoint(copied).step == 3


def test_fastload_save_is_torch_save_made_safe(tmp_path: Path):
    """Same files, same arguments; the old file stays until the new one is there."""
    path = tmp_path / "model.pt"
    value = {"w": torch.ones(3), "m": torch.nn.Linear(2, 2)}
    fastload.save(value, path)
    path.chmod(0o640)
    fastload.save(value, str(path))
    assert path.stat().st_mode & 0o777 == 0o640
    verify_file(path)
    loaded = torch.load(path, weights_only=False)
    assert torch.equal(loaded["m"].weight, value["m"].weight)
    fastload.save({"w": torch.ones(2)}, path, pickle_protocol=3)
    assert torch.load(path, weights_only=False)["w"].tolist() == [1, 1]
    link = tmp_path / "link.pt"
    link.symlink_to(path)
    fastload.save({"w": 5}, link)
    assert link.is_symlink()
    assert torch.load(path, weights_only=True) == {"w": 5}
    with open(path, "wb") as file:
        fastload.save({"w": 6}, file)
    assert torch.load(path, weights_only=True) == {"w": 6}
    fastload.save({"w": 7}, "/dev/null")
    with pytest.raises(CheckpointError, match="folder is gone"):
        fastload.save({}, tmp_path / "no" / "folder.pt")
    with pytest.raises((AttributeError, TypeError)):
        fastload.save({"f": lambda: 1}, path)
    assert torch.load(path, weights_only=True) == {"w": 6}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.pt", "model.pt"]


def test_names_as_long_as_they_may_be(tmp_path: Path):
    """The temporary one is no longer; what a killed run left of it is found."""
    path = tmp_path / ("n" * 252 + ".pt")
    fastload.save({"w": 1}, path)
    left, descriptor = create_temporary(path, FileOps())
    os.close(descriptor)
    fastload.save({"w": 2}, path)
    assert torch.load(path, weights_only=True) == {"w": 2}
    assert not left.exists()
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"version":2}',
        b'{"version":1,"step":1e999,"sequence":1,"metrics":{},"saved_at":"","blocks":[]}',
        b'{"version":1,"step":1,"sequence":1,"metrics":[],"saved_at":"","blocks":[]}',
        b'{"version":1,"step":1,"sequence":1,"metrics":{},"saved_at":"","blocks":[[1,2]]}',
    ],
)  # fmt: skip
def test_a_record_of_another_form_is_damage(content: bytes):
    """Also where someone has put the right checksum over it."""
    with pytest.raises(CheckpointDamagedError, match="record cannot be read"):
        decode_record(content)
