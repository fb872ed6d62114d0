"""unpack gives every file back byte for byte, and writes nowhere else, whatever the store says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastload import _core
from fastload.convert import Finding, pack, unpack
from fastload.convert.photo import PhotoPacker
from fastload.store import StoreWriter, WriterHeader
from support.trees import image_folder, snapshot, write_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=2)
    write_photo(root / "class_0" / "deep" / "er" / "p.png", format_name="PNG").chmod(0o640)
    write_photo(root / "class_0" / os.fsdecode(b"\xff\n.jpg"))
    os.utime(root / "class_0" / "photo_001.jpg", ns=(1, 987_654_321_123_456_789))
    return root


@pytest.fixture
def store(source: Path, tmp_path: Path) -> Path:
    pack(source, tmp_path / "out.lmdb")
    return tmp_path / "out.lmdb"


def hostile_store(path: Path, photo: Path, names: list[str], mode: int = 0o644) -> Path:
    data = photo.read_bytes()
    packed = PhotoPacker().pack(data)
    with StoreWriter(path, WriterHeader()) as writer:
        for name in names:
            writer.append(packed.record, name=name, content_hash=packed.content_hash,
                          source_mode=mode)  # fmt: skip
        writer.commit(len(names))
        writer.publish()
    return path


def problems(store: Path, folder: Path, *, overwrite: bool = False) -> dict[str, str]:
    found: list[Finding] = []
    report = unpack(store, folder, overwrite=overwrite, on_finding=found.append)
    assert report.problems_count == len(found)
    return {finding.name: finding.kind for finding in found}


def test_bytes_paths_times_and_modes_come_back(store: Path, source: Path, tmp_path: Path) -> None:
    report = unpack(store, tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(source)
    assert (report.files, report.unchanged, report.problems_count) == (10, 0, 0)


def test_an_interrupted_run_is_simply_run_again(store: Path, source: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    unpack(store, back)
    (back / "class_0" / "photo_001.jpg").unlink()
    leftover = f".fastload-{_core.xxh3_64(b'photo_001.jpg'):016x}.partial"
    (back / "class_0" / leftover).write_bytes(b"half")
    report = unpack(store, back)
    assert (report.files, report.unchanged) == (1, 9)
    assert snapshot(back) == snapshot(source)


def test_other_files_are_replaced_only_where_asked(
    store: Path, source: Path, tmp_path: Path
) -> None:
    back = tmp_path / "back"
    (back / "class_0").mkdir(parents=True)
    (back / "class_0" / "photo_001.jpg").write_bytes(b"mine")
    (back / "class_0" / "photo_002.jpg").symlink_to(tmp_path / "elsewhere")
    assert problems(store, back) == {
        "class_0/photo_001.jpg": "exists", "class_0/photo_002.jpg": "exists"
    }  # fmt: skip
    assert (back / "class_0" / "photo_001.jpg").read_bytes() == b"mine"
    assert problems(store, back, overwrite=True) == {}
    assert snapshot(back) == snapshot(source)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_nothing_is_written_outside(tmp_path: Path, overwrite: bool) -> None:
    photo = write_photo(tmp_path / "photo.jpg")
    outside = tmp_path / "outside"
    outside.mkdir()
    back = tmp_path / "back"
    back.mkdir()
    (back / "link").symlink_to(outside)
    (back / "file").write_bytes(b"x")
    names = ["../up.jpg", "/tmp/fastload-abs.jpg", "a/../../up.jpg", "link/x.jpg", "file/x.jpg",
             "a//b.jpg", "./c.jpg", "good.jpg", "good.jpg/below.jpg"]  # fmt: skip
    store = hostile_store(tmp_path / "bad.lmdb", photo, names)
    assert set(problems(store, back, overwrite=overwrite)) >= set(names[:7])
    assert list(outside.iterdir()) == []
    assert not (tmp_path / "up.jpg").exists()
    assert not Path("/tmp/fastload-abs.jpg").exists()


def test_set_user_id_bits_are_not_given_back(tmp_path: Path) -> None:
    photo = write_photo(tmp_path / "photo.jpg")
    store = hostile_store(tmp_path / "bad.lmdb", photo, ["a.jpg"], mode=0o106755)
    unpack(store, tmp_path / "back")
    assert (tmp_path / "back" / "a.jpg").stat().st_mode & 0o7777 == 0o755


def test_damaged_records_are_named_and_the_rest_comes_back(store: Path, tmp_path: Path) -> None:
    data = bytearray(store.read_bytes())
    place = data.index(b"FLRC") + 200
    data[place] ^= 1
    store.write_bytes(data)
    found = problems(store, tmp_path / "back")
    assert list(found.values()) == ["record"]
    assert len(snapshot(tmp_path / "back")) == 9
