"""SIGKILL while saving, in short; ``tools/torture_checkpoint`` is the long form."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fastload.checkpoint import AsyncCheckpointer, writer_main
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.temporary import create_temporary, remove_leftovers
from support.forked import in_child
from support.kill_saving import count_damage, kill_often

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.mark.parametrize(
    ("options", "kills"),
    [
        ({}, 25),
        ({"aliases": "link"}, 10),
        ({"format": "safetensors"}, 5),
        ({"writer": "process"}, 10),
    ],
    ids=["thread", "links", "safetensors", "process"],
)
def test_newest_checkpoint_is_whole_after_every_kill(
    tmp_path: Path, options: dict[str, Any], kills: int
):
    """And equal to what was saved; what a handle reported is there; nothing is left over."""
    counts = kill_often(tmp_path / "run", kills, 1, options)
    assert counts["kills"] == kills
    assert counts["acknowledged"] > 0
    assert counts["leftovers"] > 0 or kills < 25, "some kills should fall into writes"


def test_the_same_kills_find_damage_where_files_are_written_in_place(tmp_path: Path):
    """Else they would prove nothing."""
    assert count_damage("torch.save", tmp_path / "run", 8, 1) > 0


def test_another_process_that_writes_is_left_alone(tmp_path: Path):
    """Its temporary file stays as long as it lives, and goes when it is killed."""
    code = f"""
import sys, time
from pathlib import Path
from fastload.checkpoint.file_ops import FileOps
from fastload.checkpoint.temporary import create_temporary
create_temporary(Path({str(tmp_path / "x.pt")!r}), FileOps())
print("made", flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd="/")
    assert other.stdout is not None
    other.stdout.readline()
    AsyncCheckpointer(tmp_path).close()
    assert len(os.listdir(tmp_path)) == 1
    other.send_signal(signal.SIGKILL)
    other.wait()
    other.stdout.close()
    AsyncCheckpointer(tmp_path).close()
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_cleared_away_before_it_is_locked_is_made_again(tmp_path: Path):
    """The two processes may meet in between."""

    class Late(FileOps):
        late = True

        def lock(self, descriptor: int) -> None:
            if self.late:
                self.late = False
                assert len(remove_leftovers(tmp_path, FileOps())) == 1
            super().lock(descriptor)

    path, descriptor = create_temporary(tmp_path / "x", Late())
    assert path.exists()
    assert remove_leftovers(tmp_path, FileOps()) == []
    os.close(descriptor)
    assert remove_leftovers(tmp_path, FileOps(), "other") == []
    assert remove_leftovers(tmp_path, FileOps(), "x") == [path]


def test_writing_process_ends_with_its_parent(tmp_path: Path):
    """Within two seconds of a SIGKILL."""
    code = f"""
import time
from fastload import AsyncCheckpointer
checkpointer = AsyncCheckpointer({str(tmp_path)!r}, writer="process")
checkpointer.save(dict(a=1), step=0).result()
print(checkpointer._publisher._process._process.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd="/")
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 2
    while Path(f"/proc/{pid}/stat").exists():
        if Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z":
            break
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_writing_process_ends_quietly_in_the_middle_of_a_request(tmp_path: Path):
    """Its parent may be killed between any two of its messages."""
    request = {"arena": 1, "new": True, "entries": [], "path": "x", "format": "torch", "info": {}}
    data = json.dumps(request).encode()
    whole = len(data).to_bytes(4, "little") + data
    for sent in (b"", whole[:2], whole[:20], whole):
        ours, theirs = socket.socketpair()
        ours.sendall(sent)
        ours.close()

        def run(theirs: socket.socket = theirs) -> None:
            writer_main.main(theirs.detach(), os.getppid())

        assert in_child(run) == 0
        theirs.close()
