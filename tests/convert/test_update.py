"""``update``: what packing anew would give, and nothing packed twice."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fastload.convert import Finding, pack, verify
from fastload.convert import job as job_module
from fastload.convert.changes import Changes
from fastload.errors import NoSpaceError, PackError, ResumeError, SourceError
from fastload.store import Store, StoreWriter, WriterHeader, pack_file, partial_path, publish
from support.coco import annotation, coco_set, write_json
from support.interrupt import StopAfter
from support.packed import count_packed
from support.trees import content_hash, image_folder, snapshot, write_photo
from support.voc import voc_set
from support.webdataset import photo_bytes, write_tar
from support.yolo import yolo_set


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=2, photos=5)
    (root / "class_0" / "bad.jpg").write_bytes(b"")
    return root


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each file that is packed from now on."""
    return count_packed(monkeypatch)


def assert_fresh(source: Path, out: Path, **options: object) -> None:
    """All is as packing anew gives it, and as the source has it."""
    fresh = out.with_name("fresh.lmdb")
    pack(source, fresh, overwrite=True, **options)
    report = verify(out, source)
    assert (report.differences_count, report.content_hash) == (0, content_hash(fresh))
    with Store(out) as a, Store(fresh) as b:
        assert (a.problems, list(a.names)) == (b.problems, list(b.names))
        assert (a.header.class_names, a.header.annotations, a.header.source_count) == (
            b.header.class_names, b.header.annotations, b.header.source_count,
        )  # fmt: skip
    assert not partial_path(out).exists()


def _add_and_remove(root: Path) -> None:
    write_photo(root / "class_0" / "a.jpg", 35, 65, seed=50)
    (root / "class_0" / "photo_001.jpg").unlink()


def _touch_and_restrict(root: Path) -> None:
    os.utime(root / "class_0" / "photo_001.jpg", ns=(1, 1))
    (root / "class_1" / "photo_001.jpg").chmod(0o600)


def _move(root: Path) -> None:
    (root / "class_0" / "photo_000.jpg").rename(root / "class_0" / "photo_009.jpg")
    (root / "class_00").mkdir()
    (root / "class_0" / "photo_001.jpg").rename(root / "class_00" / "photo_001.jpg")


def _copy_and_swap(root: Path) -> None:
    shutil.copy2(root / "class_0" / "photo_001.jpg", root / "class_1" / "copy.jpg")
    one, other = root / "class_0" / "photo_000.jpg", root / "class_1" / "photo_000.jpg"
    one.rename(root / "x")
    other.rename(one)
    (root / "x").rename(other)


def _mend_and_spoil(root: Path) -> None:
    write_photo(root / "class_0" / "bad.jpg", seed=52)
    (root / "class_1" / "photo_001.jpg").write_bytes(b"bad")


#: What happens to the source; the changes that are counted; how many photos are packed for it.
EDITS: dict[str, tuple[Callable[[Path], object], dict[str, int], int]] = {
    "one is new, one gone": (_add_and_remove, {"added": 1, "removed": 1, "unchanged": 9}, 1),
    "one has other bytes": (lambda root: write_photo(root / "class_0" / "photo_001.jpg", seed=51),
                            {"changed": 1, "unchanged": 9}, 1),
    "other time, other permissions": (_touch_and_restrict, {"unchanged": 10}, 0),
    "other name, new class": (_move, {"renamed": 2, "unchanged": 8}, 0),
    "one copied, two swapped": (_copy_and_swap, {"added": 1, "changed": 2, "unchanged": 8}, 0),
    "one mended, one bad": (_mend_and_spoil, {"added": 1, "removed": 1, "unchanged": 9}, 1),
    "a class is gone": (lambda root: shutil.rmtree(root / "class_0"),
                        {"removed": 5, "unchanged": 5}, 0),
}  # fmt: skip


@pytest.mark.parametrize("edit", EDITS)
def test_the_result_is_that_of_packing_anew(
    source: Path, tmp_path: Path, packed: list[int], edit: str
) -> None:
    """Only what is new is packed (bad files are tried again), and all is counted."""
    out = tmp_path / "out.lmdb"
    pack(source, out)
    change, expected, count = EDITS[edit]
    change(source)
    packed.clear()
    summary = pack(source, out, update=True)
    assert len(packed) <= count + 3  # bad files: once to see whether they still are
    assert summary.packed_photos == count
    assert summary.changes == Changes(**expected)
    assert_fresh(source, out)


def test_where_nothing_changed_the_file_stays(
    source: Path, tmp_path: Path, packed: list[int]
) -> None:
    out = tmp_path / "out.lmdb"
    first = pack(source, out, update=True)  # there is none yet
    assert first.changes == Changes(added=10)
    before = out.stat()
    packed.clear()
    found: list[Finding] = []
    summary = pack(source, out, update=True, on_finding=found.append)
    assert summary.changes == Changes(unchanged=10)
    assert [finding.name for finding in found] == ["class_0/bad.jpg"]
    assert (summary.problems_count, summary.contents.photos) == (1, 10)
    assert packed == [0]
    after = out.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_change_that_size_and_time_do_not_show_needs_checksum(
    source: Path, tmp_path: Path
) -> None:
    out, photo = tmp_path / "out.lmdb", source / "class_0" / "photo_001.jpg"
    pack(source, out)
    status = photo.stat()
    data = bytearray(photo.read_bytes())
    data[-3] ^= 1
    photo.write_bytes(data)
    os.utime(photo, ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert pack(source, out, update=True).changes == Changes(unchanged=10)
    assert pack(source, out, update=True, checksum=True).changes == Changes(changed=1, unchanged=9)
    assert_fresh(source, out)


def test_labels_are_read_again_though_photos_are_not(tmp_path: Path, packed: list[int]) -> None:
    yaml, out = yolo_set(tmp_path / "src"), tmp_path / "out.lmdb"
    pack(yaml, out)
    packed.clear()
    labels = tmp_path / "src" / "labels" / "train"
    (labels / "p4.txt").write_text("1 0.5 0.5 0.25 0.25\n")
    (labels / "p2.txt").write_text("0 0.5 0.5 0.25 0.25\n")  # there was none
    (labels / "p5.txt").unlink()
    summary = pack(yaml, out, update=True)
    assert summary.changes == Changes(relabelled=3, unchanged=3)
    assert not packed
    assert_fresh(yaml, out)
    yaml.write_text(yaml.read_text().replace("cat, dog", "bird, cat, dog"))  # ids mean others
    assert pack(yaml, out, update=True).changes == Changes(relabelled=4, unchanged=2)
    assert_fresh(yaml, out)
    yaml.write_text(yaml.read_text() + "# a remark\n")
    assert pack(yaml, out, update=True).changes == Changes(unchanged=6)
    assert_fresh(yaml, out)


def test_labels_of_coco_and_voc_are_read_again(tmp_path: Path, packed: list[int]) -> None:
    out = tmp_path / "coco.lmdb"
    files = coco_set(tmp_path / "coco")
    pack(tmp_path / "coco", out)
    packed.clear()
    files["train2017"]["annotations"].append(annotation(990, 1001))
    write_json(tmp_path / "coco", files)
    assert pack(tmp_path / "coco", out, update=True).changes == Changes(relabelled=1, unchanged=5)
    assert not packed
    assert_fresh(tmp_path / "coco", out)
    root, out = voc_set(tmp_path / "voc"), tmp_path / "voc.lmdb"
    pack(root, out)
    packed.clear()
    xml = root / "Annotations" / "p01.xml"
    xml.write_text(xml.read_text().replace("<xmin>2", "<xmin>3"))
    assert pack(root, out, update=True).changes == Changes(relabelled=1, unchanged=5)
    assert not packed
    assert_fresh(root, out)


def test_members_of_tars_are_read_and_not_packed_again(tmp_path: Path, packed: list[int]) -> None:
    """Their times say nothing: here a photo changes, and neither its size nor its time does."""
    one, out = photo_bytes(tmp_path, 1), tmp_path / "out.lmdb"
    other = one[:-3] + bytes([one[-3] ^ 1]) + one[-2:]
    root = tmp_path / "src"
    labels = [("a.cls", b"cat"), ("b.cls", b"dog")]
    write_tar(root / "0.tar", [("a.jpg", one), labels[0]])
    write_tar(root / "1.tar", [("b.jpg", one), labels[1]])
    pack(root, out)
    write_tar(root / "1.tar", [("b.jpg", other), labels[1]])
    packed.clear()
    assert pack(root, out, update=True).changes == Changes(changed=1, unchanged=1)
    assert len(packed) == 1
    assert_fresh(root, out)
    write_tar(root / "1.tar", [("b.jpg", other), ("b.cls", b"cat")])
    assert pack(root, out, update=True).changes == Changes(relabelled=1, unchanged=1)
    assert_fresh(root, out)


@pytest.mark.parametrize("choices", [{"max_side": 32}, {"format": "raw"}])
def test_choices_that_change_photos_are_kept(
    source: Path, tmp_path: Path, packed: list[int], choices: dict[str, object]
) -> None:
    out = tmp_path / "out.lmdb"
    pack(source, out, **choices)
    _move(source)
    packed.clear()
    pack(source, out, update=True, **choices)
    assert packed in ([0], [0, 0])
    fresh = tmp_path / "fresh.lmdb"
    pack(source, fresh, **choices)
    assert content_hash(out) == content_hash(fresh)
    with pytest.raises(PackError, match=r"was packed with other choices: .*--overwrite"):
        pack(source, out, update=True)


def test_one_store_a_split(tmp_path: Path, packed: list[int]) -> None:
    yaml, out = yolo_set(tmp_path / "src"), tmp_path / "out.lmdb"
    pack(yaml, out, split_stores=True)
    untouched = (tmp_path / "out-val.lmdb").stat().st_ino
    write_photo(tmp_path / "src" / "images" / "train" / "new.jpg", seed=60)
    packed.clear()
    summary = pack(yaml, out, split_stores=True, update=True)
    assert (summary.changes, len(packed)) == (Changes(added=1, unchanged=6), 1)
    assert (tmp_path / "out-val.lmdb").stat().st_ino == untouched
    photos = tmp_path / "src" / "images"
    (photos / "train" / "p1.jpg").rename(photos / "val" / "p1.jpg")  # to another store
    packed.clear()
    summary = pack(yaml, out, split_stores=True, update=True)
    assert (summary.changes, packed) == (Changes(moved=1, unchanged=6), [])
    pack(yaml, tmp_path / "fresh.lmdb", split_stores=True)
    for split in ("train", "val"):
        fresh = content_hash(tmp_path / f"fresh-{split}.lmdb")
        assert content_hash(tmp_path / f"out-{split}.lmdb") == fresh


def test_a_damaged_record_is_packed_again(source: Path, tmp_path: Path, packed: list[int]) -> None:
    out = tmp_path / "out.lmdb"
    pack(source, out)
    with Store(out) as store:
        place = int(store.column("file_offset")[3]) + 200
    with open(out, "r+b") as file:
        file.seek(place)
        byte = file.read(1)
        file.seek(place)
        file.write(bytes([byte[0] ^ 1]))
    _move(source)
    packed.clear()
    pack(source, out, update=True)
    assert len([size for size in packed if size]) == 1
    assert_fresh(source, out)


def test_readers_of_the_old_store_keep_it(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    pack(source, out)
    with Store(out) as reader:
        before = [reader.read_source(index) for index in range(5)]
        shutil.rmtree(source / "class_0")
        pack(source, out, update=True)
        assert [reader.read_source(index) for index in range(5)] == before
        assert len(reader) == 10
    with Store(out) as reader:
        assert len(reader) == 5


@pytest.mark.parametrize("then", ["goes on", "the source changes"])
def test_interrupted_it_goes_on_or_begins_anew(
    source: Path, tmp_path: Path, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "out.lmdb"
    pack(source, out)
    old = content_hash(out)
    write_photo(source / "class_1" / "new.jpg", seed=61)
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, update=True, progress=StopAfter(7), workers=1)
    assert content_hash(out) == old
    assert partial_path(out).exists()
    if then != "goes on":
        write_photo(source / "class_0" / "a.jpg", seed=62)
    found: list[Finding] = []
    summary = pack(source, out, update=True, on_finding=found.append)
    assert len(found) == summary.problems_count == 1
    added = 1 if then == "goes on" else 2
    assert summary.changes == Changes(added=added, unchanged=10)
    assert_fresh(source, out)


def test_a_first_packing_that_was_interrupted_is_not_thrown_away(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "out.lmdb"
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, tile="never", progress=StopAfter(7), workers=1)
    with pytest.raises(ResumeError, match="tile"):
        pack(source, out, update=True)
    summary = pack(source, out, update=True, tile="never")
    assert summary.changes == Changes(added=10)
    assert summary.packed_photos < 10


def test_interrupted_while_publishing_it_looks_at_the_source_again(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.lmdb"
    pack(source, out)
    write_photo(source / "class_1" / "new.jpg", seed=61)

    def no_rename(*_paths: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", no_rename)
        with pytest.raises(KeyboardInterrupt):
            pack(source, out, update=True)
    write_photo(source / "class_1" / "newer.jpg", seed=62)
    assert pack(source, out, update=True).changes == Changes(added=1, unchanged=11)
    assert_fresh(source, out)


def test_a_disk_that_fills_leaves_the_old_store(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever transaction meets it, the next run ends as ever."""
    out = tmp_path / "out.lmdb"
    pack(source, out)
    old = content_hash(out)
    write_photo(source / "class_1" / "new.jpg", seed=61)
    transact = pack_file.PackFile.transact
    left = 0

    def fail(self: object, *args: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise NoSpaceError("no space left")
        transact(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(pack_file.PackFile, "transact", fail)
    monkeypatch.setattr(publish, "_BATCH_BYTES", 0)
    for number in (1, 2, 3, 10, 17):
        left = number
        with pytest.raises(NoSpaceError):
            pack(source, out, update=True, restart=True)
        assert content_hash(out) == old
    pack(source, out, update=True)
    assert_fresh(source, out)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_killed_at_any_moment_there_is_the_old_store_or_the_new_one(
    source: Path, tmp_path: Path
) -> None:
    out, fresh = tmp_path / "out.lmdb", tmp_path / "fresh.lmdb"
    pack(source, out)
    shutil.copy(out, tmp_path / "old.lmdb")
    write_photo(source / "class_0" / "a.jpg", seed=61)
    (source / "class_1" / "photo_003.jpg").unlink()
    started = time.monotonic()
    pack(source, fresh)
    seconds = time.monotonic() - started
    old, new = content_hash(out), content_hash(fresh)
    source_of_moments = random.Random(7)
    kills = 0
    for _ in range(8):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                job_module.GROUP_SECONDS = 0.0
                pack(source, out, update=True, workers=1)
                status = 0
            finally:
                os._exit(status)
        time.sleep(source_of_moments.uniform(0, seconds))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or status == 0
        kills += os.WIFSIGNALED(status)
        assert content_hash(out) in (old, new)
        if not partial_path(out).exists():
            shutil.copy(tmp_path / "old.lmdb", out)
    assert kills
    pack(source, out, update=True)
    assert_fresh(source, out)


def test_what_cannot_be_updated_is_said(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    out.write_bytes(b"no store" * 2000)
    with pytest.raises(PackError, match="cannot be updated: --overwrite"):
        pack(source, out, update=True)
    assert out.read_bytes() == b"no store" * 2000
    out.unlink()
    pack(source, out)
    for photo in source.rglob("photo_*.jpg"):
        photo.write_bytes(b"bad")
    old = out.read_bytes()
    with pytest.raises(SourceError, match="nothing was published"):
        pack(source, out, update=True)
    assert out.read_bytes() == old
    assert not partial_path(out).exists()
    for wrong in ({"checksum": True}, {"update": True, "overwrite": True}):
        with pytest.raises(ValueError, match="update"):
            pack(source, tmp_path / "x.lmdb", **wrong)


def test_a_dry_run_writes_nothing_and_says_all(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    yolo = yolo_set(tmp_path / "yolo")
    (tmp_path / "yolo" / "labels" / "train" / "p4.txt").write_text("9 9\n")
    for number, given in enumerate((source, yolo)):
        out = tmp_path / f"out{number}.lmdb"
        before = snapshot(tmp_path)
        dry_found: list[Finding] = []
        found: list[Finding] = []
        with monkeypatch.context() as patch:
            patch.setattr(pack_file.PackFile, "transact", None)
            dry = pack(given, out, dry_run=True, on_finding=dry_found.append).as_json()
        assert snapshot(tmp_path) == before
        done = pack(given, out, on_finding=found.append).as_json()
        assert dry_found == found
        assert (dry["published"], dry["dry_run"]) == (False, True)
        size = dry["store_bytes"]
        assert 0.7 < size / done["store_bytes"] < 1.4
        measured = {
            name for name in done if "second" in name or name.startswith(("store_b", "gro"))
        }
        for name in measured | {"published", "dry_run"}:
            dry.pop(name), done.pop(name)
        assert json.dumps(dry) == json.dumps(done)
        with pytest.raises(PackError, match="exists"):
            pack(given, out, dry_run=True)
    _add_and_remove(source)
    dry_changes = pack(source, tmp_path / "out0.lmdb", update=True, dry_run=True).changes
    assert dry_changes == pack(source, tmp_path / "out0.lmdb", update=True).changes
    assert dry_changes == Changes(added=1, removed=1, unchanged=9)


def test_a_dry_run_does_not_mind_who_packs(source: Path, tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "out.lmdb", WriterHeader()):
        assert pack(source, tmp_path / "out.lmdb", dry_run=True).contents.photos == 10
