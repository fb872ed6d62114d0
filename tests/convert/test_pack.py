"""Packing a folder: everything in it is in the store, or reported; nothing in it is touched."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fastload.convert import Finding, PackOptions, ProblemsFoundError, Severity, pack
from fastload.errors import PackError, SourceError
from fastload.store import Store, partial_path
from support.trees import content_hash, image_folder, snapshot, write_photo


def bad_files(root: Path) -> dict[str, str]:
    """Files that cannot be packed, with the kind of problem that each is."""
    folder = root / "class_1"
    good = write_photo(folder / "good.jpg").read_bytes()
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.jpg").write_bytes(good[: len(good) // 2])
    (folder / "page.png").write_text("<!doctype html><title>404</title>")
    (folder / "out.jpg").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe.jpg")
    with (folder / "huge.jpg").open("wb") as file:
        file.truncate(3 << 30)
    return {
        "class_1/empty.jpg": "empty", "class_1/cut.jpg": "corrupt",
        "class_1/page.png": "not-an-image", "class_1/out.jpg": "link-out",
        "class_1/pipe.jpg": "special-file", "class_1/huge.jpg": "too-large",
    }  # fmt: skip


def test_every_photo_is_in_the_store(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    summary = pack(root, tmp_path / "out.lmdb")
    with Store(tmp_path / "out.lmdb") as store:
        assert list(store.names) == sorted(snapshot(root))
        assert store.header.class_names == ("class_0", "class_1", "class_2")
        assert store.column("class_id").tolist() == [0] * 4 + [1] * 4 + [2] * 4
        for index, (name, (data, mtime_ns, mode)) in enumerate(sorted(snapshot(root).items())):
            assert store.names[index] == name
            assert store.read_source(index) == data
            assert store.column("source_mtime_ns")[index] == mtime_ns
            assert store.column("source_mode")[index] == stat.S_IFREG | mode
    assert summary.contents.photos == summary.packed_photos == 12
    assert summary.contents.codecs == {"tiles": 12}
    assert summary.problems_count == 0
    assert not partial_path(tmp_path / "out.lmdb").exists()


def test_own_bytes_where_tiles_are_not_wanted(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    assert pack(root, tmp_path / "o.lmdb", tile="never").contents.codecs == {"jpeg": 12}


def test_bad_files_are_reported_and_the_rest_is_packed(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    bad = bad_files(root)
    found: list[Finding] = []
    summary = pack(root, tmp_path / "out.lmdb", on_finding=found.append)
    problems = {f.name: f.kind for f in found if f.severity is Severity.PROBLEM}
    assert problems == bad
    assert summary.problems_count == len(bad)
    assert summary.contents.photos == 13
    with Store(tmp_path / "out.lmdb") as store:
        assert {problem.path: problem.kind for problem in store.problems} == bad
    groups = summary.as_json()["problems"]
    assert groups["empty"] == {
        "count": 1, "examples": [{"name": "class_1/empty.jpg", "detail": "the file has no bytes"}]
    }  # fmt: skip


def test_misnamed_photos_are_packed_with_a_note(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    write_photo(root / "class_0" / "really.jpg", format_name="PNG")
    write_photo(root / "class_0" / "really.png")
    found: list[Finding] = []
    summary = pack(root, tmp_path / "out.lmdb", on_finding=found.append)
    notes = {f.name: f.detail[:4] for f in found if f.kind == "misnamed"}
    assert notes == {"class_0/really.jpg": "PNG ", "class_0/really.png": "JPEG"}
    assert summary.contents.formats == {"JPEG": 13, "PNG": 1}


def test_strict_publishes_nothing_where_a_file_is_bad(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    (root / "class_0" / "empty.jpg").write_bytes(b"")
    out = tmp_path / "out.lmdb"
    with pytest.raises(ProblemsFoundError) as caught:
        pack(root, out, strict=True)
    assert not caught.value.summary.published
    assert caught.value.summary.problems_count == 1
    assert not out.exists()
    with pytest.raises(ProblemsFoundError):  # the same again, from the half-packed store
        pack(root, out, strict=True)
    summary = pack(root, out)
    assert (summary.contents.photos, summary.packed_photos) == (12, 0)
    assert summary.problems_count == 1


def test_no_store_is_made_where_no_file_can_be_packed(tmp_path: Path) -> None:
    photos = image_folder(tmp_path / "photos", classes=1)
    linked = tmp_path / "linked" / "class_0"
    linked.mkdir(parents=True)
    for photo in (photos / "class_0").iterdir():
        (linked / photo.name).symlink_to(photo)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.jpg").write_bytes(b"")
    (broken / "b.jpg").write_bytes(b"junk")
    out = tmp_path / "out.lmdb"
    found: list[Finding] = []
    with pytest.raises(SourceError, match=r"nothing was published: 4 link-out \(such as class_0/"):
        pack(linked.parent, out, on_finding=found.append)
    assert [finding.kind for finding in found] == ["link-out"] * 4
    with pytest.raises(SourceError, match=r"1 empty \(such as a\.jpg.*1 not-an-image"):
        pack(broken, out)
    assert not out.exists()
    assert not partial_path(out).exists()
    assert pack(linked.parent, out, follow_links=True).contents.photos == 4  # as the message says
    with pytest.raises(SourceError, match="nothing was published"):
        pack(broken, out, overwrite=True)
    with Store(out) as store:
        assert len(store) == 4


def test_no_store_is_made_where_a_splits_would_be_empty(tmp_path: Path) -> None:
    image_folder(tmp_path / "src" / "train", classes=2, photos=3)
    bad = tmp_path / "src" / "val" / "class_0" / "bad.jpg"
    bad.parent.mkdir(parents=True)
    bad.write_bytes(b"junk")
    with pytest.raises(SourceError, match=r"src, for out-val\.lmdb: no file could be packed"):
        pack(tmp_path / "src", tmp_path / "out.lmdb", split_stores=True)
    assert [path.name for path in tmp_path.glob("out*")] == ["out-train.lmdb.partial"]
    write_photo(bad)
    summary = pack(tmp_path / "src", tmp_path / "out.lmdb", split_stores=True)
    assert (summary.contents.splits, summary.packed_photos) == ({"train": 6, "val": 1}, 1)


def test_the_source_is_left_as_it_was(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    bad_files(root)
    (root / "class_1" / "huge.jpg").unlink()
    before = snapshot(root)
    for folder, _, _ in os.walk(root, topdown=False):
        os.chmod(folder, 0o555)
    try:
        pack(root, tmp_path / "out.lmdb")
        assert snapshot(root) == before
    finally:
        for folder, _, _ in os.walk(root):
            os.chmod(folder, 0o755)


def test_a_store_is_replaced_only_where_asked_and_only_when_done(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    out = tmp_path / "out.lmdb"
    pack(root, out)
    first = content_hash(out)
    with pytest.raises(PackError, match="--overwrite"):
        pack(root, out)
    (root / "class_0" / "empty.jpg").write_bytes(b"")
    with pytest.raises(ProblemsFoundError):
        pack(root, out, strict=True, overwrite=True)
    assert content_hash(out) == first
    write_photo(root / "class_0" / "empty.jpg")
    pack(root, out, overwrite=True, restart=True)
    assert content_hash(out) != first


def test_stores_cannot_lie_in_the_source(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src")
    (tmp_path / "link").symlink_to(root)
    for out in (root / "out.lmdb", root / "class_0" / "out.lmdb", tmp_path / "link" / "out.lmdb"):
        with pytest.raises(SourceError, match="inside the source"):
            pack(root, out)
    with pytest.raises(PackError, match="found a folder"):
        pack(root, tmp_path)
    with pytest.raises(PackError, match="no such folder"):
        pack(root, tmp_path / "none" / "out.lmdb")


def test_names_may_hold_anything(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src", classes=1, photos=1)
    names = ["new\nline.jpg", "\u202ertl.jpg", "[bold]x.jpg", "caf\u00e9.jpg", "cafe\u0301.jpg",
             os.fsdecode(b"\xff\xfe.jpg"), "'; --.jpg", "x" * 240 + ".jpg"]  # fmt: skip
    for number, name in enumerate(names):
        write_photo(root / "class_0" / name, seed=number)
    pack(root, tmp_path / "out.lmdb")
    with Store(tmp_path / "out.lmdb") as store:
        assert set(store.names) == set(snapshot(root))


def test_splits_go_into_one_store_under_names(tmp_path: Path) -> None:
    for split in ("train", "val"):
        image_folder(tmp_path / "src" / split, classes=2, photos=3)
    summary = pack(tmp_path / "src", tmp_path / "out.lmdb")
    assert summary.contents.splits == {"train": 6, "val": 6}
    with Store(tmp_path / "out.lmdb") as store:
        assert store.header.split_names == ("train", "val")
        assert store.column("split").tolist() == [0] * 6 + [1] * 6
        assert store.column("class_id").tolist() == [0, 0, 0, 1, 1, 1] * 2


def test_splits_go_into_a_store_each_where_asked(tmp_path: Path) -> None:
    for split in ("train", "val"):
        image_folder(tmp_path / "src" / split, classes=2, photos=3)
    summary = pack(tmp_path / "src", tmp_path / "out.lmdb", split_stores=True)
    assert [path.name for path in summary.stores] == ["out-train.lmdb", "out-val.lmdb"]
    assert summary.contents.splits == {"train": 6, "val": 6}
    for path in summary.stores:
        with Store(path) as store:
            assert len(store) == 6
            assert store.header.class_names == ("class_0", "class_1")
    with pytest.raises(PackError, match="--overwrite"):
        pack(tmp_path / "src", tmp_path / "out.lmdb", split_stores=True)
    with pytest.raises(SourceError, match="--split-stores"):
        pack(tmp_path / "src" / "val", tmp_path / "x.lmdb", split_stores=True)


def test_a_store_a_split_is_resumed_between_publishings(tmp_path: Path) -> None:
    for split in ("train", "val"):
        image_folder(tmp_path / "src" / split, classes=2, photos=3)
    out = tmp_path / "out.lmdb"
    train, val = pack(tmp_path / "src", out, split_stores=True).stores
    before = content_hash(train), content_hash(val)
    # As if killed between the two renames: the first published, the second half-packed.
    (tmp_path / "src" / "val" / "class_1" / "bad.jpg").write_bytes(b"")
    val.unlink()
    train.rename(tmp_path / "kept")
    with pytest.raises(ProblemsFoundError):
        pack(tmp_path / "src", out, split_stores=True, strict=True)
    partial_path(train).unlink()
    (tmp_path / "kept").rename(train)
    summary = pack(tmp_path / "src", out, split_stores=True)
    assert (content_hash(train), content_hash(val)) == before
    assert summary.packed_photos == 0


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_the_content_does_not_depend_on_the_number_of_threads(tmp_path: Path, workers: int) -> None:
    root = image_folder(tmp_path / "src", photos=10)
    pack(root, tmp_path / "a.lmdb", PackOptions(workers=workers))
    pack(root, tmp_path / "b.lmdb")
    assert content_hash(tmp_path / "a.lmdb") == content_hash(tmp_path / "b.lmdb")


def test_options_are_checked() -> None:
    for choices in ({"tile": "always"}, {"layout": "x"}, {"workers": -1}, {"max_file_bytes": 0}):
        with pytest.raises(ValueError, match=next(iter(choices))):
            PackOptions(**choices)  # type: ignore[arg-type]


def test_a_bug_names_the_file_that_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = image_folder(tmp_path / "src")

    def broken(self: object, data: bytes) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("fastload.convert.photo.PhotoPacker.pack", broken)
    with pytest.raises(PackError, match=r"class_0/photo_000\.jpg: ZeroDivisionError: oops"):
        pack(root, tmp_path / "out.lmdb")
