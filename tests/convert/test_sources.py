"""Sources list what torchvision's ImageFolder lists, in its order, and nothing outside."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import IMAGE_EXTENSIONS
from fastload.convert.sources import Source, SourceItem, find_source
from fastload.errors import SourceError
from support.trees import image_folder, write_photo


def items(source: Source) -> list[tuple[str, int]]:
    return [(i.name, i.class_id) for i in source.items() if isinstance(i, SourceItem)]


def findings(source: Source) -> dict[str, tuple[Severity, str]]:
    return {i.name: (i.severity, i.kind) for i in source.items() if isinstance(i, Finding)}


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_extensions_are_torchvisions() -> None:
    folder = pytest.importorskip("torchvision.datasets.folder")
    assert folder.IMG_EXTENSIONS == IMAGE_EXTENSIONS


def test_order_and_classes_are_imagefolders(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    touch(
        tmp_path, "b/2.jpg", "b/10.JPG", "b/1.png", "a/z.jpg", "a/sub/x.jpg", "a/sub.x/y.jpg",
        "a/sub/deep/w.webp", "a/sub-1/v.tif", "a/Z.jpg", "a/.jpg", "Ä/ß.jpg", "A/1.jpeg", "b/n.txt",
        "loose.jpg",
    )  # fmt: skip
    os.makedirs(os.fsencode(tmp_path / "a") + b"/caf\xe9")
    Path(os.fsdecode(os.fsencode(tmp_path / "a") + b"/caf\xe9/\xff.jpg")).write_bytes(b"x")
    (tmp_path / "a" / "linked").symlink_to(tmp_path / "b")
    expected = datasets.ImageFolder(str(tmp_path))
    source = find_source(tmp_path)
    assert source.layout == "imagefolder"
    assert source.class_names == tuple(expected.classes)
    assert [(os.path.join(source.root, n), c) for n, c in items(source)] == expected.samples
    assert source.photo_count == len(expected.samples)


def test_an_empty_class_keeps_its_id(tmp_path: Path) -> None:
    datasets = pytest.importorskip("torchvision.datasets")
    image_folder(tmp_path, classes=2)
    (tmp_path / "class_0a").mkdir()
    source = find_source(tmp_path)
    expected = datasets.ImageFolder(str(tmp_path), allow_empty=True)
    assert source.class_names == tuple(expected.classes)
    assert findings(source)["class_0a"] == (Severity.NOTE, "empty-class")
    assert [c for _, c in items(source)] == expected.targets


def test_files_that_imagefolder_would_not_list_are_named(tmp_path: Path) -> None:
    image_folder(tmp_path, classes=1)
    touch(tmp_path, "class_0/notes.txt", "loose.png")
    write_photo(tmp_path / "class_0" / "photo.jpg.bak")
    found = findings(find_source(tmp_path))
    assert found["class_0/notes.txt"] == (Severity.IGNORED, "other-file")
    assert found["class_0/photo.jpg.bak"] == (Severity.IGNORED, "hidden-picture")
    assert found["loose.png"] == (Severity.IGNORED, "outside-classes")


def test_further_extensions_can_be_asked_for(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.gif", "a/2.jpg")
    assert items(find_source(tmp_path, extensions=("GIF",))) == [("a/1.gif", 0), ("a/2.jpg", 0)]


def test_a_flat_folder_has_no_classes(tmp_path: Path) -> None:
    touch(tmp_path, "2.jpg", "1.png", "list.csv", "labels/1.txt")
    source = find_source(tmp_path)
    assert (source.layout, source.class_names) == ("flat", ())
    assert items(source) == [("1.png", -1), ("2.jpg", -1)]


def test_splits_share_their_class_ids(tmp_path: Path) -> None:
    touch(tmp_path, "val/b/1.jpg", "train/a/1.jpg", "train/c/1.jpg", "test/1.jpg", "README.md")
    source = find_source(tmp_path)
    assert (source.layout, source.split_names) == ("splits", ("train", "val", "test"))
    assert source.class_names == ("a", "b", "c")
    found = [(i.name, i.class_id, i.split) for i in source.items() if isinstance(i, SourceItem)]
    assert found == [("train/a/1.jpg", 0, 0), ("train/c/1.jpg", 2, 0), ("val/b/1.jpg", 1, 1),
                     ("test/1.jpg", -1, 2)]  # fmt: skip
    assert findings(source)["val"] == (Severity.NOTE, "split-lacks-classes")
    assert items(source.select(1)) == [("val/b/1.jpg", 1)]


def test_classes_that_are_named_like_splits_stay_classes(tmp_path: Path) -> None:
    touch(tmp_path, "train/1.jpg", "car/1.jpg")
    assert find_source(tmp_path).class_names == ("car", "train")


def test_a_layout_can_be_named(tmp_path: Path) -> None:
    touch(tmp_path, "train/a/1.jpg", "val/a/1.jpg")
    source = find_source(tmp_path, "imagefolder")
    assert source.class_names == ("train", "val")
    assert [c for _, c in items(find_source(tmp_path, "flat"))] == [-1, -1]


def test_links_are_followed_only_inside(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    root = tmp_path / "root"
    touch(outside, "cls/1.jpg", "2.jpg")
    touch(root, "a/1.jpg")
    (root / "a" / "in.jpg").symlink_to("1.jpg")
    (root / "a" / "out.jpg").symlink_to(outside / "2.jpg")
    (root / "a" / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "b").symlink_to(outside / "cls")
    source = find_source(root)
    assert source.class_names == ("a", "b")  # as ImageFolder counts them
    assert items(source) == [("a/1.jpg", 0), ("a/in.jpg", 0)]
    found = findings(source)
    assert found["a/out.jpg"] == found["b"] == (Severity.PROBLEM, "link-out")
    assert found["a/gone.jpg"] == (Severity.PROBLEM, "broken-link")
    followed = items(find_source(root, follow_links=True))
    assert [name for name, _ in followed] == ["a/1.jpg", "a/in.jpg", "a/out.jpg", "b/1.jpg"]


@pytest.mark.parametrize("follow_links", [False, True])
def test_loops_end(tmp_path: Path, follow_links: bool) -> None:
    touch(tmp_path, "a/1.jpg", "b/1.jpg")
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "root").symlink_to(tmp_path)
    (tmp_path / "a" / "other").symlink_to(tmp_path / "b")
    (tmp_path / "b" / "other").symlink_to(tmp_path / "a")
    source = find_source(tmp_path, follow_links=follow_links)
    found = findings(source)
    assert found["a/self"] == found["a/root"] == (Severity.NOTE, "link-loop")
    assert found["a/other/other"] == (Severity.NOTE, "link-loop")
    assert [n for n, _ in items(source)] == ["a/1.jpg", "a/other/1.jpg", "b/1.jpg", "b/other/1.jpg"]


def test_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    for a in range(8):
        touch(tmp_path, f"c/{a}/1.jpg")
        for b in range(8):
            (tmp_path / "c" / str(a) / f"to{b}").symlink_to(tmp_path / "c" / str(b))
    source = find_source(tmp_path)
    assert len(items(source)) < 2000
    assert (Severity.PROBLEM, "too-many-links") in findings(source).values()


def test_special_files_are_never_opened(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg")
    os.mkfifo(tmp_path / "a" / "pipe.jpg")
    os.mkfifo(tmp_path / "a" / "pipe")
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "a" / "socket.png"))
    server.close()
    (tmp_path / "a" / "null.jpg").symlink_to("/dev/null")
    found = findings(find_source(tmp_path, follow_links=True))
    special = {name for name, what in found.items() if what == (Severity.PROBLEM, "special-file")}
    assert special == {"a/pipe.jpg", "a/socket.png", "a/null.jpg"}


def test_names_that_other_file_systems_hold_for_the_same_are_noted(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.jpg", "a/X.jpg", "a/caf\u00e9.jpg", "a/cafe\u0301.jpg", "b/x.jpg")
    found = findings(find_source(tmp_path))
    collisions = [name for name, what in found.items() if what == (Severity.NOTE, "name-collision")]
    assert len(collisions) == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/locked/2.jpg")
    (tmp_path / "a" / "locked").chmod(0)
    try:
        found = findings(find_source(tmp_path))
    finally:
        (tmp_path / "a" / "locked").chmod(0o700)
    assert found["a/locked"] == (Severity.PROBLEM, "unreadable")


def test_a_folder_that_is_gone_when_its_turn_comes_is_a_problem(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src", classes=2, photos=2)
    source = find_source(root)
    shutil.rmtree(root / "class_1")
    found = [item for item in source.items() if isinstance(item, Finding)]
    assert [(f.name, f.severity, f.kind) for f in found] == [
        ("class_1", Severity.PROBLEM, "unreadable")
    ]


def test_a_folder_that_cannot_be_listed_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, real = image_folder(tmp_path / "src", classes=2, photos=2), os.scandir

    def scandir(path: str) -> Any:
        if path.endswith("class_1"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path)

    monkeypatch.setattr("os.scandir", scandir)
    found = [item.name for item in find_source(root).items() if isinstance(item, Finding)]
    assert found == ["class_1"]


def test_no_photos_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="expected photos"):
        find_source(tmp_path)
    with pytest.raises(SourceError, match="found nothing"):
        find_source(tmp_path / "missing")
    touch(tmp_path, "a/notes.txt", "a/notes.md")
    with pytest.raises(SourceError, match="expected photos"):
        find_source(tmp_path)
    with pytest.raises(SourceError, match="found none of them"):
        find_source(tmp_path / "a" / "notes.md")


def test_a_locked_folder_stops_no_probe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where root, who may read everything, runs the tests."""
    root = image_folder(tmp_path / "src", classes=2)
    for name in ("JPEGImages", "annotations", "images", "labels", "VOCdevkit", "train"):
        (root / name).mkdir()
    locked = {str(path) for path in root.iterdir() if not path.name.startswith("class_")}
    for function in ("scandir", "listdir"):
        real = getattr(os, function)

        def guarded(path: str = ".", real: Any = real) -> Any:
            if str(path) in locked:
                raise PermissionError(13, "Permission denied")
            return real(path)

        monkeypatch.setattr(os, function, guarded)
    source = find_source(root)
    assert source.layout == "imagefolder"
    assert findings(source)["images"] == (Severity.PROBLEM, "unreadable")
