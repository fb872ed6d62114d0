"""A process forked beside a checkpointer, as loaders' workers are, harms neither itself nor it."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload.checkpoint import AsyncCheckpointer
from fastload.checkpoint.arena import Arena
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.temporary import create_temporary, remove_leftovers
from fastload.errors import CheckpointError
from support.disks import HeldDisk
from support.forked import in_child

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.mark.parametrize("shared", [False, True], ids=["private", "shared"])
def test_the_end_of_an_inherited_buffer_unmaps_nobody_elses_memory(shared: bool):
    """Whatever the child maps meanwhile must not stand where its copy of the buffer stands."""
    state = [torch.ones(3_000_000)]
    arena = Arena(shared=shared)
    arena.copy(state)

    def run() -> None:
        own = [Arena() for _ in range(8)]
        for each in own:
            each.copy(state)
        arena.release()
        gc.collect()
        for each in own:
            assert bytes(each.buffer[:12_000_000]) == state[0].numpy().tobytes()

    assert in_child(run) == 0
    assert bytes(arena.buffer[:12_000_000]) == state[0].numpy().tobytes()


def test_memory_given_back_is_given_back_though_children_have_it(tmp_path: Path):
    """A worker that lives on would else hold as much as the state."""
    arena = Arena(shared=True)
    arena.copy([torch.ones(1_000_000)])
    watched = os.dup(arena.descriptor)
    assert os.fstat(watched).st_blocks * 512 >= 4_000_000
    child, end = forked_for_long()
    arena.release()
    assert os.fstat(watched).st_blocks == 0
    os.close(watched)
    os.close(end)
    os.waitpid(child, 0)


def test_a_private_buffer_is_not_copied_into_children():
    """A fork costs no page table of it, and the next snapshot no page fault: they find zeros."""
    arena = Arena()
    arena.copy([torch.ones(1000)])

    def run() -> None:
        assert bytes(arena.buffer) == bytes(arena.size_bytes)

    assert in_child(run) == 0


def test_a_child_says_that_it_cannot_save_or_know(tmp_path: Path):
    """Forked in the middle of a save, which goes on."""
    disk = HeldDisk()
    checkpointer = AsyncCheckpointer(tmp_path, file_ops=disk)
    handle = checkpointer.save({"a": torch.ones(10)}, step=1)
    assert disk.reached.wait(60)

    def run() -> None:
        with pytest.raises(CheckpointError, match="forked"):
            checkpointer.save({}, step=2)
        with pytest.raises(CheckpointError, match="ask there"):
            handle.result()
        checkpointer.close()

    assert in_child(run) == 0
    disk.let_through(9)
    checkpointer.close()
    assert handle.result() == tmp_path / "step-000000001.pt"


def test_a_child_that_drops_the_checkpointer_waits_for_no_lock(tmp_path: Path):
    """The background may have held the queue's at the moment of the fork."""
    checkpointers = [AsyncCheckpointer(tmp_path)]
    locked, go_on = threading.Event(), threading.Event()

    def hold(changed: threading.Condition) -> None:
        with changed:
            locked.set()
            go_on.wait(60)

    holder = threading.Thread(target=hold, args=(checkpointers[0]._queue._changed,))
    holder.start()
    assert locked.wait(60)

    def run() -> None:
        checkpointers.clear()
        gc.collect()

    assert in_child(run) == 0
    go_on.set()
    holder.join()


def forked_for_long() -> tuple[int, int]:
    """(pid, descriptor whose closing ends it) of a child that keeps what it inherited."""
    read_end, write_end = os.pipe()
    ready_read, ready_write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.write(ready_write, b"r")
        os.read(read_end, 1)
        os._exit(0)
    os.read(ready_read, 1)
    for descriptor in (read_end, ready_read, ready_write):
        os.close(descriptor)
    return child, write_end


def test_a_lock_does_not_live_on_in_a_child(tmp_path: Path):
    """Else a killed run's file could not be cleared away while one of its workers is left."""
    path, descriptor = create_temporary(tmp_path / "x", FileOps())
    child, end = forked_for_long()
    assert remove_leftovers(tmp_path, FileOps()) == [], "its writer lives"
    os.close(descriptor)  # as a kill would; not unlocked
    assert remove_leftovers(tmp_path, FileOps()) == [path]
    os.close(end)
    os.waitpid(child, 0)


def test_linked_names_do_not_wait_for_children(tmp_path: Path):
    """A child of the middle of a write has that file's descriptor, whose lock the link takes."""
    disk = HeldDisk()
    checkpointer = AsyncCheckpointer(tmp_path, aliases="link", file_ops=disk)
    handle = checkpointer.save({"a": torch.ones(10)}, step=1)
    assert disk.reached.wait(60)
    child, end = forked_for_long()
    disk.let_through(9)
    handle.result(60)
    os.close(end)
    os.waitpid(child, 0)
    checkpointer.close()


def test_a_writing_process_ends_though_children_have_its_socket(tmp_path: Path):
    """Persistent workers live until after close."""
    checkpointer = AsyncCheckpointer(tmp_path, writer="process")
    checkpointer.save({"a": 1}, step=1).result(60)
    process: Any = checkpointer._publisher._process
    popen = process._process
    child, end = forked_for_long()
    checkpointer.close()
    assert popen.returncode == 0, "it ended by itself, and need not be killed"
    os.close(end)
    os.waitpid(child, 0)
