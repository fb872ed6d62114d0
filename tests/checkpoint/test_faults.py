"""Disks that fail: a clear error, and the checkpoints that were there are still there."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload.checkpoint import AsyncCheckpointer, load_checkpoint, load_latest
from fastload.checkpoint.file_ops import FileOps
from fastload.errors import CheckpointError
from support.programs import run_programs

CALLS = ("create", "write", "sync", "sync_folder", "rename", "link", "unlink", "copy")


class Failing(FileOps):
    """The n-th of all calls that change something fails; and all after it, where for good."""

    def __init__(self, number: int, code: int, *, for_good: bool) -> None:
        self.number, self.code, self.for_good = number, code, for_good
        self.count = 0
        self.failed: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        method = super().__getattribute__(name)
        if name not in CALLS:
            return method

        def call(*args: Any) -> Any:
            self.count += 1
            if self.count == self.number or (self.for_good and self.count > self.number):
                self.failed.append(name)
                raise OSError(self.code, os.strerror(self.code))
            return method(*args)

        return call


def state(step: int) -> dict[str, Any]:
    """Of several writes."""
    return {"step": step, "weights": torch.full((300_000,), float(step))}


@pytest.mark.parametrize(
    ("code", "for_good", "aliases"),
    [  # each two of a kind together
        (errno.ENOSPC, False, "copy"),
        (errno.ENOSPC, True, "link"),
        (errno.EIO, False, "link"),
        (errno.EIO, True, "copy"),
    ],
    ids=["ENOSPC-once-copy", "ENOSPC-for good-link", "EIO-once-link", "EIO-for good-copy"],
)
def test_each_call_may_fail(tmp_path: Path, code: int, for_good: bool, aliases: Any):
    """N = 1, 2, ... until nothing fails any more; after each: error, older intact, next goes on."""
    seen: set[str] = set()
    for number in range(1, 200):
        folder = tmp_path / str(number)
        options: Any = {"keep_last": 1, "best": "m", "aliases": aliases}
        with AsyncCheckpointer(folder, **options) as checkpointer:
            checkpointer.save(state(1), step=1, metrics={"m": 1})
        disk = Failing(number, code, for_good=for_good)
        told: Path | None = None
        errors: list[CheckpointError] = []
        try:
            checkpointer = AsyncCheckpointer(folder, file_ops=disk, **options)
            handle = checkpointer.save(state(2), step=2, metrics={"m": 2})
            try:
                told = handle.result()
            finally:
                checkpointer.close()
        except CheckpointError as error:
            errors.append(error)
        assert all("failed:" in str(error) for error in errors)
        seen |= set(disk.failed)
        found = load_latest(folder)
        assert found is not None
        assert found.skipped == []
        assert found.state["weights"].unique().tolist() == [found.step]
        if told is not None:
            assert found.path == told
        # A new start with a working disk goes on.
        with AsyncCheckpointer(folder, **options) as checkpointer:
            checkpointer.save(state(3), step=3, metrics={"m": 3})
        found = load_latest(folder)
        assert found is not None
        assert found.step == 3
        expected = ["best.pt", "last.pt", "step-000000003.pt"]
        assert sorted(os.listdir(folder)) == expected, (number, disk.failed)
        if not disk.failed:
            break
    assert not disk.failed
    used = {"copy"} if aliases == "copy" else {"link"}
    assert seen >= {"create", "write", "sync", "sync_folder", "rename", "unlink"} | used


def run(code: str, folder: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """A process that saves once more into a folder that holds step 1."""
    head = f"""
import os, resource, sys, torch
from fastload import AsyncCheckpointer, CheckpointError
folder = {str(folder)!r}
def save(step, **options):
    with AsyncCheckpointer(folder, **options) as checkpointer:
        checkpointer.save(dict(a=torch.full((2_000_000,), step)), step=step)
"""
    return subprocess.run(
        [sys.executable, "-c", head + code],
        check=False, capture_output=True, text=True, timeout=100, cwd="/", **options,
    )  # fmt: skip


def save(folder: Path, step: int, **options: Any) -> None:
    """Once, 2 MB."""
    with AsyncCheckpointer(folder, **options) as checkpointer:
        checkpointer.save({"a": torch.full((500_000,), float(step))}, step=step)


def assert_newest(folder: Path, step: int) -> None:
    """It is whole, and nothing temporary stands beside it."""
    found = load_latest(folder)
    assert found is not None
    assert found.step == step
    assert found.skipped == []
    assert found.state["a"].unique().tolist() == [step]
    assert not [name for name in os.listdir(folder) if name.endswith("tmp")]


def test_limit_on_file_sizes(tmp_path: Path):
    """SIGXFSZ must not kill anyone."""
    save(tmp_path, 1)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(CheckpointError, match="no space left"):
            save(tmp_path, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_newest(tmp_path, 1)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """8 MB of tmpfs, where this may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no right to mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("writer", ["thread", "process"])
def test_full_disk(small_disk: Path, writer: str):
    """Room for all but the last name, for most of a checkpoint, for a little, for none."""
    save(small_disk, 1, writer=writer)
    filler = small_disk / "filler"
    filler.touch()
    for free in (3_900_000, 1_900_000, 300_000, 4_096, 0):
        room = os.statvfs(small_disk)
        size = filler.stat().st_size + room.f_bavail * room.f_frsize - free
        with open(filler, "ab") as file, contextlib.suppress(OSError):
            os.posix_fallocate(file.fileno(), 0, max(1, size))
        with pytest.raises(CheckpointError, match="no space left"):
            save(small_disk, 2, writer=writer)
        # The first level is enough for the checkpoint, though not for its further name.
        assert_newest(small_disk, 2 if free > 2_500_000 else 1)
        with contextlib.suppress(FileNotFoundError):
            (small_disk / "step-000000002.pt").unlink()
        assert load_checkpoint(small_disk / "last.pt").step == 1
    filler.unlink()
    save(small_disk, 2, writer=writer)
    assert_newest(small_disk, 2)


def test_read_only_folder(tmp_path: Path):
    """Said when the checkpointer is made, not at the end of the first epoch."""
    save(tmp_path, 1)
    code = """
if os.getuid() == 0:
    os.setgid(65534); os.setuid(65534)
try:
    save(2)
except CheckpointError as error:
    print(error)
"""
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    try:
        done = run(code, tmp_path)
    finally:
        tmp_path.chmod(0o755)
    assert "must be writable" in done.stdout, done
    assert_newest(tmp_path, 1)


def test_folder_that_vanishes(tmp_path: Path):
    """Such as an unmounted disk."""
    folder = tmp_path / "gone"
    with AsyncCheckpointer(folder) as checkpointer:
        folder.rmdir()
        with pytest.raises(CheckpointError, match="folder is gone"):
            checkpointer.save(state(1), step=1).result()


MEMORY = """
import sys, torch
from fastload import AsyncCheckpointer
def memory():
    lines = open("/proc/self/status").read().splitlines()
    kinds = dict(line.split(":") for line in lines if ":" in line)
    return sum(int(kinds[k].split()[0]) for k in ("RssAnon", "RssShmem")) * 1024
value = dict(a=torch.ones(10_000_000), b=[torch.ones(2_500_000) for _ in range(4)])
state_bytes = 80_000_000
with AsyncCheckpointer(sys.argv[1] + writer, writer=writer, keep_last=1) as checkpointer:
    checkpointer.save(dict(a=1), step=0).result()
    before = memory()
    most = 0
    for step in range(8):
        handle = checkpointer.save(value, step=step)
        most = max(most, memory())
        if step == 0:
            handle.result()
            one = memory() - before
    checkpointer.wait()
    most = max(most, memory())
after = memory()
print(one / state_bytes, (most - before) / state_bytes, (after - before) / state_bytes)
"""


def test_memory_of_snapshots_stays_within_its_budget(tmp_path: Path):
    """At most ``snapshots`` times the state, and 24 MB; anonymous memory, not mapped files."""
    programs = [f"writer = {writer!r}\n{MEMORY}" for writer in ("thread", "process")]
    for done in run_programs(programs, tmp_path):
        assert done.returncode == 0, done.stderr
        one, most, after = map(float, done.stdout.split())
        slack = 24 / 80
        assert one <= 1 + slack, "one buffer is enough while the disk keeps up"
        assert most <= 2 + slack
        assert after <= slack, "closing gives the memory back"


def test_an_error_of_the_loop_is_not_hidden_by_one_of_the_disk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The disk's is printed beside it."""

    def train() -> None:
        disk = Failing(4, errno.ENOSPC, for_good=True)  # behind the folder's own probe
        with AsyncCheckpointer(tmp_path, file_ops=disk) as checkpointer:
            checkpointer.save(state(1), step=1)
            raise KeyError("the loop's own")

    with pytest.raises(KeyError, match="the loop's own"):
        train()
    assert "CheckpointError" in capsys.readouterr().err
