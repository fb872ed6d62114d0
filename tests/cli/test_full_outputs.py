"""Files beside a store, and stdout, on a full disk: the message names them."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastload.convert import Finding
from support.commands import invoke
from support.trees import image_folder

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=1, photos=2)
    (root / "class_0" / "bad.jpg").write_bytes(b"")
    invoke("convert", root, tmp_path / "out.lmdb", "-q", code=4)
    return tmp_path / "out.lmdb"


@pytest.mark.parametrize("option", ["--contact-sheet", "--histograms"])
def test_a_picture_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    if option == "--histograms":
        pytest.importorskip("matplotlib")

    def full(_path: Path, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    found = invoke("inspect", store, option, tmp_path / "picture.png", code=1)
    assert f"{tmp_path / 'picture.png'}: no space left" in found


@pytest.mark.parametrize("kept", ["within a buffer", "beyond it"])
def test_a_file_of_problems_is_named(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Written when it is closed, or while photos are packed; and a missing folder."""
    if kept == "beyond it":
        monkeypatch.setattr(Finding, "as_json", lambda _: {"name": "x" * 10**6})
    source = tmp_path / "src"
    command = ("convert", source, store, "--overwrite", "--problems")
    assert "/dev/full: no space left" in invoke(*command, "/dev/full", code=1)
    missing = tmp_path / "missing" / "bad.jsonl"
    assert f"{missing}: cannot be written: No such" in invoke(*command, missing, code=1)


def test_stdout_is_named_and_nothing_complains_at_exit(store: Path) -> None:
    for more in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "fastload.cli", "inspect", str(store), *more],
                check=False, stdout=full, stderr=subprocess.PIPE, text=True, cwd="/", timeout=60,
            )  # fmt: skip
        assert done.returncode == 1
        assert done.stderr.startswith("fastload: stdout: no space left")
        assert done.stderr.count("\n") == 1
