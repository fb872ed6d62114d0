"""Files are read once, whole, and never waited for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastload.convert import files
from fastload.convert.files import read_file, sniff_file
from fastload.convert.findings import RefusedError


def refusal(path: Path, **options: int) -> str:
    with pytest.raises(RefusedError) as caught:
        read_file(str(path), **options)
    return caught.value.kind


def test_bytes_time_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    path.chmod(0o640)
    os.utime(path, ns=(5, 1_234_567_890_123_456_789))
    file = read_file(str(path))
    assert (file.data, file.mtime_ns, file.mode, file.reread) == (
        b"abc", 1_234_567_890_123_456_789, 0o640, False,
    )  # fmt: skip


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert refusal(tmp_path / "fifo") == "special-file"
    assert refusal(Path("/dev/zero")) == "special-file"
    assert refusal(tmp_path) == "special-file"
    assert refusal(tmp_path / "none") == "vanished"
    assert sniff_file(str(tmp_path / "fifo"), 8) == b""


def test_large_files_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert refusal(path) == "too-large"
    path.write_bytes(b"abcd")
    assert refusal(path, max_bytes=3) == "too-large"
    assert read_file(str(path), 4).data == b"abcd"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a")
    path.chmod(0)
    assert refusal(path) == "unreadable"


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    changes = [b"newer", b""]
    read = files._read_all

    def read_and_change(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        if changes and changes.pop(0):
            path.write_bytes(b"newer")
            os.utime(path, ns=(7, 7))
        return data

    monkeypatch.setattr(files, "_read_all", read_and_change)
    file = read_file(str(path))
    assert (file.data, file.reread) == (b"newer", True)


def test_a_file_that_keeps_changing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    read = files._read_all

    def read_and_grow(descriptor: int, size: int) -> bytes:
        data = read(descriptor, size)
        path.write_bytes(path.read_bytes() + b"x")
        return data

    monkeypatch.setattr(files, "_read_all", read_and_grow)
    assert refusal(path) == "changed"
