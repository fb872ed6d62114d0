"""An update drops what is gone, and never what cannot be read."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fastload.convert import pack
from fastload.convert.findings import RefusedError
from fastload.convert.shares import Sharding
from fastload.convert.sources.folder import FolderSource
from fastload.errors import PackError
from fastload.store import Store, partial_path
from support.trees import image_folder, snapshot, write_photo


def _unmount_link(root: Path, _patch: pytest.MonkeyPatch) -> None:
    """A class folder that is a link to another disk, which is away."""
    shutil.rmtree(root / "class_1")
    (root / "class_1").symlink_to(root.with_name("disk"))


def _unmount(root: Path, _patch: pytest.MonkeyPatch) -> None:
    """What is left of a mounted folder."""
    shutil.rmtree(root / "class_1")
    (root / "class_1").mkdir()


def _fail(function: str, path: Path, number: int, patch: pytest.MonkeyPatch) -> None:
    real = getattr(os, function)

    def failing(given: Any, *arguments: Any, **more: Any) -> Any:
        if isinstance(given, (str, Path)) and Path(given) == path:
            raise OSError(number, os.strerror(number), str(given))
        return real(given, *arguments, **more)

    patch.setattr(os, function, failing)


def _cannot_be_listed(root: Path, patch: pytest.MonkeyPatch) -> None:
    """Its photos could be read by name."""
    _fail("scandir", root / "class_1", errno.EIO, patch)


def _cannot_be_entered(root: Path, patch: pytest.MonkeyPatch) -> None:
    for path in (root / "class_1").iterdir():
        _fail("stat", path, errno.EACCES, patch)


AWAY: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "a link to a disk that is away": _unmount_link,
    "a disk that is not mounted": _unmount,
    "an error while it is listed": _cannot_be_listed,
    "no permission": _cannot_be_entered,
}


@pytest.mark.parametrize("kind", ["file", "splits", "shards"])
@pytest.mark.parametrize("away", AWAY)
def test_a_folder_that_is_away_is_not_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, away: str
) -> None:
    """The stores stay as they were; once the folder is back, the same command is done."""
    source, out = tmp_path / "src", tmp_path / "out.lmdb"
    root = image_folder(source / "train" if kind == "splits" else source, classes=2, photos=2)
    options: dict[str, Any] = {"sharding": Sharding(shards=2)} if kind == "shards" else {}
    if kind == "splits":
        image_folder(source / "val", classes=2, photos=2)
        options["split_stores"] = True
    pack(source, out, **options)
    stores = sorted(tmp_path.glob("out*"))
    before = [snapshot(path) if path.is_dir() else path.read_bytes() for path in stores]
    shutil.copytree(root / "class_1", tmp_path / "kept")
    write_photo(root / "class_0" / "new.jpg", seed=9)
    with monkeypatch.context() as patch:
        AWAY[away](root, patch)
        with pytest.raises(PackError, match=r"class_1.*cannot be read.*--overwrite"):
            pack(source, out, update=True, **options)
    now = [snapshot(path) if path.is_dir() else path.read_bytes() for path in stores]
    assert now == before
    if (root / "class_1").is_symlink():
        (root / "class_1").unlink()
    shutil.copytree(tmp_path / "kept", root / "class_1", dirs_exist_ok=True)
    summary = pack(source, out, update=True, **options)
    assert summary.changes is not None
    assert (summary.changes.added, summary.changes.removed) == (1, 0)


def test_what_is_gone_is_dropped(tmp_path: Path) -> None:
    """Also the last photo of a folder that has other files."""
    root = image_folder(tmp_path / "src", classes=3, photos=1)
    pack(root, tmp_path / "out.lmdb")
    shutil.rmtree(root / "class_1")
    (root / "class_2" / "photo_000.jpg").rename(root / "class_2" / "readme.txt")
    summary = pack(root, tmp_path / "out.lmdb", update=True)
    assert summary.changes is not None
    assert summary.changes.removed == 2


def test_a_folder_of_which_the_store_has_nothing_stops_no_update(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a disk's lost+found."""
    root = image_folder(tmp_path / "src", classes=1, photos=2)
    pack(root, tmp_path / "out.lmdb")
    (root / "lost+found").mkdir()
    _fail("scandir", root / "lost+found", errno.EACCES, monkeypatch)
    assert pack(root, tmp_path / "out.lmdb", update=True).problems_count == 1


@pytest.mark.parametrize("kind", ["unreadable", "vanished"])
def test_one_photo_that_cannot_be_read_is_not_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """The old store may have the last copy. A file that can be read, and is bad, is dropped."""
    root, out = image_folder(tmp_path / "src", classes=1, photos=2), tmp_path / "out.lmdb"
    pack(root, out)
    bad = root / "class_0" / "photo_001.jpg"
    os.utime(bad, ns=(1, 1))
    read = FolderSource.read

    def failing(self: FolderSource, item: Any, *arguments: Any) -> Any:
        if item.name == "class_0/photo_001.jpg":
            raise RefusedError(kind, "Input/output error")
        return read(self, item, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FolderSource, "read", failing)
        with pytest.raises(PackError, match=r"photo_001.jpg.*Input/output error.*1 photo of it"):
            pack(root, out, update=True)
    with Store(out) as store:
        assert len(store) == 2
    bad.write_bytes(b"bad")
    assert pack(root, out, update=True).problems_count == 1
    assert not partial_path(out).exists()


def test_a_link_to_one_photo_that_leads_nowhere_is_not_dropped(tmp_path: Path) -> None:
    root, out = image_folder(tmp_path / "src", classes=1, photos=2), tmp_path / "out.lmdb"
    photo = root / "class_0" / "photo_001.jpg"
    pack(root, out)
    photo.unlink()
    photo.symlink_to(tmp_path / "disk" / "photo.jpg")
    with pytest.raises(PackError, match=r"photo_001.jpg.*cannot be read"):
        pack(root, out, update=True)
    photo.unlink()
    assert pack(root, out, update=True).contents.photos == 1
