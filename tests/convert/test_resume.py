"""A half-packed store goes on where it was, and only where its source is as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fastload.convert import Finding, Severity, Summary, pack
from fastload.convert import job as job_module
from fastload.convert.progress import Silent
from fastload.errors import ResumeError
from fastload.store import Store, partial_path
from support.interrupt import StopAfter
from support.trees import content_hash, image_folder, write_photo


@pytest.fixture(autouse=True)
def show_every_photo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=2, photos=10)
    (root / "class_0" / "photo_003x.jpg").write_bytes(b"")
    (root / "class_0" / "photo_004x.txt").write_bytes(b"")
    (root / "class_0" / "photo_005x.jpg").symlink_to("/etc/hostname")
    return root


def interrupt(source: Path, out: Path, photos: int = 9) -> None:
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, progress=StopAfter(photos), workers=2)
    assert not out.exists()
    assert partial_path(out).exists()


def assert_as_uninterrupted(source: Path, out: Path, summary: Summary) -> None:
    fresh = out.with_name("fresh.lmdb")
    found: list[Finding] = []
    whole = pack(source, fresh, on_finding=found.append)
    assert content_hash(out) == content_hash(fresh)
    with Store(out) as a, Store(fresh) as b:
        assert a.problems == b.problems
        assert list(a.names) == list(b.names)
    assert summary.contents.photos == whole.contents.photos
    assert summary.as_json()["problems"] == whole.as_json()["problems"]
    assert summary.as_json()["ignored"] == whole.as_json()["ignored"]


@pytest.mark.parametrize("photos", [1, 4, 9, 19])
def test_ctrl_c_keeps_what_is_packed(source: Path, tmp_path: Path, photos: int) -> None:
    out = tmp_path / "out.lmdb"
    interrupt(source, out, photos)
    summary = pack(source, out)
    assert 0 < summary.packed_photos <= 20 - photos + 2
    assert_as_uninterrupted(source, out, summary)


def test_interrupted_again_and_again_it_ends(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    for _ in range(8):
        interrupt(source, out, 2)
    assert_as_uninterrupted(source, out, pack(source, out))


def test_interrupted_while_publishing_it_publishes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.lmdb"
    rename = os.rename

    def no_rename(*paths: object, **options: object) -> None:
        raise KeyboardInterrupt

    for name in ("rename", "replace", "link"):
        monkeypatch.setattr(os, name, no_rename)
    with pytest.raises(KeyboardInterrupt):
        pack(source, out)
    monkeypatch.undo()
    assert os.rename is rename
    found: list[Finding] = []
    summary = pack(source, out, on_finding=found.append)
    assert summary.packed_photos == 0
    assert sum(f.severity is Severity.PROBLEM for f in found) == summary.problems_count == 2
    fresh = tmp_path / "fresh.lmdb"
    pack(source, fresh)
    assert content_hash(out) == content_hash(fresh)


def _edit(path: Path) -> None:
    write_photo(path, 50, 90, seed=99)


CHANGES: dict[str, Callable[[Path], object]] = {
    "a packed photo is gone": lambda root: (root / "class_0" / "photo_001.jpg").unlink(),
    "a packed photo has other bytes": lambda root: _edit(root / "class_0" / "photo_001.jpg"),
    "a packed photo has another time": lambda root: os.utime(
        root / "class_0" / "photo_001.jpg", ns=(1, 1)
    ),
    "a photo came before": lambda root: write_photo(root / "class_0" / "photo_000a.jpg"),
    "a photo was renamed": lambda root: (root / "class_0" / "photo_001.jpg").rename(
        root / "class_0" / "photo_001b.jpg"
    ),
    "a bad file was mended": lambda root: write_photo(root / "class_0" / "photo_003x.jpg"),
    "a bad file is gone": lambda root: (root / "class_0" / "photo_003x.jpg").unlink(),
    "a bad file came before": lambda root: (root / "class_0" / "photo_000a.jpg").write_bytes(b""),
    "a class came": lambda root: write_photo(root / "class_00" / "1.jpg"),
    "all is gone but one": lambda root: shutil.rmtree(root / "class_0"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_source_is_not_mixed_with_the_old_one(
    source: Path, tmp_path: Path, change: str
) -> None:
    out = tmp_path / "out.lmdb"
    interrupt(source, out)
    CHANGES[change](source)
    with pytest.raises(ResumeError, match="--restart"):
        pack(source, out)
    assert partial_path(out).exists()
    assert_as_uninterrupted(source, out, pack(source, out, restart=True))


def test_what_comes_after_the_packed_part_may_change(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    interrupt(source, out)
    write_photo(source / "class_1" / "photo_999.jpg")
    (source / "class_1" / "photo_008.jpg").unlink()
    assert_as_uninterrupted(source, out, pack(source, out))


@pytest.mark.parametrize(
    "choice", [{"tile": "never"}, {"extensions": (".gif",)}, {"max_file_bytes": 10_000_000}]
)
def test_other_choices_do_not_go_on_with_it(
    source: Path, tmp_path: Path, choice: dict[str, object]
) -> None:
    out = tmp_path / "out.lmdb"
    interrupt(source, out)
    with pytest.raises(ResumeError):
        pack(source, out, **choice)


def test_groups_are_committed_by_size(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that is no interrupt loses no more than the group that was not committed."""
    monkeypatch.setattr(job_module, "GROUP_BYTES", 1)
    appended = []

    class Break(Silent):
        def advance(self, photos: int, source_bytes: int) -> None:
            appended.append(photos)
            if sum(appended) == 7:
                raise RuntimeError("broken")

    out = tmp_path / "out.lmdb"
    with pytest.raises(RuntimeError, match="broken"):
        pack(source, out, progress=Break())
    assert pack(source, out).packed_photos == 20 - 5  # the sixth that was committed is a bad file
