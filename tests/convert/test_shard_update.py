"""Shards that are brought up to date, or only looked at; without repeats, and one set a split."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from fastload.convert import Finding, Summary, pack, shard_packing, shard_publisher, verify
from fastload.convert.changes import Changes
from fastload.convert.shares import Sharding
from fastload.errors import PackError, SourceError, StoreFormatError
from fastload.store import Store, partial_path
from fastload.store.manifest import Manifest, parse_manifest
from fastload.store.publish import Publication
from support.interrupt import StopAfter
from support.packed import count_packed
from support.trees import content_hash, image_folder, snapshot, write_photo
from support.yolo import yolo_set

TWO, THREE = Sharding(shards=2), Sharding(shards=3)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=3, photos=4)
    (root / "class_1" / "bad.jpg").write_bytes(b"")
    return root


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The size of each file that is packed from now on."""
    return count_packed(monkeypatch, empty_ones=False)


def update(source: Path, out: Path, **how: object) -> Summary:
    return pack(source, out, update=True, **({"workers": 1} | how))  # type: ignore[arg-type]


def manifest(out: Path) -> Manifest:
    return parse_manifest((out / "manifest.json").read_bytes(), "")


def change(source: Path) -> list[int]:
    """In one place each: the sizes of the files that are new."""
    paths = [
        write_photo(source / "class_0" / "photo_001.jpg", 50, 60, seed=90),
        write_photo(source / "class_2" / "zz.jpg", 51, 61, seed=91),
    ]
    (source / "class_0" / "photo_002.jpg").unlink()
    return sorted(path.stat().st_size for path in paths)


CHANGED = Changes(added=1, changed=1, removed=1, unchanged=10)


def assert_fresh(source: Path, out: Path, sharding: Sharding | None = None) -> None:
    """All is as packing anew gives it, and nothing else lies there."""
    fresh = out.with_name("fresh")
    pack(source, fresh, sharding=sharding)
    report = verify(out, source)
    assert (report.differences_count, report.content_hash) == (0, content_hash(fresh))
    with Store(out) as a, Store(fresh) as b:
        assert sorted(a.problems, key=str) == sorted(b.problems, key=str)
        assert list(a.names) == list(b.names)
    if sharding is not None:
        assert manifest(out).content_hash == manifest(fresh).content_hash
    made = manifest(out)
    assert {path.name for path in out.iterdir()} == {
        "manifest.json", made.columns.name, *(shard.name for shard in made.shards)
    }  # fmt: skip
    assert not partial_path(out).exists()


@pytest.mark.parametrize(
    ("deal", "again"), [(False, True), (True, False)], ids=["divided by the same choice", "dealt"]
)
def test_the_result_is_that_of_packing_anew(
    source: Path, tmp_path: Path, packed: list[int], deal: bool, again: bool
) -> None:
    out, sharding = tmp_path / "set", Sharding(shards=3, deal=deal)
    assert update(source, out, sharding=sharding).changes == Changes(added=12)
    new = change(source)
    del packed[:]
    summary = update(source, out, **({"sharding": sharding} if again else {}))
    assert sorted(packed) == new
    assert (summary.changes, summary.packed_photos) == (CHANGED, 2)
    assert_fresh(source, out, sharding if again else None)


def test_what_has_another_name_is_not_packed_again(
    source: Path, tmp_path: Path, packed: list[int]
) -> None:
    out = tmp_path / "set"
    pack(source, out, sharding=THREE)
    (source / "class_1" / "photo_000.jpg").rename(source / "class_2" / "renamed.jpg")
    del packed[:]
    (tmp_path / "link").symlink_to("set")
    assert update(source, tmp_path / "link", checksum=True).changes == Changes(
        renamed=1, unchanged=11
    )
    assert packed == []
    assert_fresh(source, out)


def test_shards_in_which_nothing_has_changed_stay(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    pack(source, out, sharding=THREE)
    before = manifest(out)
    write_photo(source / "class_0" / "photo_001.jpg", 50, 60, seed=90)
    summary = update(source, out)
    assert (summary.shards, summary.kept_shards) == (3, 2)
    after = manifest(out)
    assert after.shards[1:] == before.shards[1:]
    assert (after.shards[0].name, after.columns.name) == ("shard-00000-1.lmdb", "columns-1.lmdb")
    for path in (source / "class_0").iterdir():
        path.unlink()
    (source / "class_0").rmdir()
    found: list[Finding] = []
    update(source, out, on_finding=found.append)  # other class ids: all change
    assert [finding.name for finding in found] == ["class_1/bad.jpg"]
    assert not {shard.name for shard in manifest(out).shards} & {s.name for s in before.shards}
    assert_fresh(source, out)


def test_where_nothing_changed_no_file_is_touched(
    source: Path, tmp_path: Path, packed: list[int]
) -> None:
    out = tmp_path / "set"
    pack(source, out, sharding=THREE)
    before = snapshot(out)
    (out / "shard-00003-7.lmdb.partial").touch()
    del packed[:]
    summary = update(source, out)
    assert (summary.changes, summary.kept_shards) == (Changes(unchanged=12), 3)
    assert (snapshot(out), packed) == (before, [])
    assert not partial_path(out).exists()
    (out / "shard-00000.lmdb").unlink()  # but what is missing is made again
    (out / "shard-00002.lmdb").write_bytes(b"")
    update(source, out)
    assert len(packed) == 9
    assert manifest(out).shards[1].name == "shard-00001.lmdb"
    assert_fresh(source, out)


def test_labels_and_attached_files_are_read_again(tmp_path: Path, packed: list[int]) -> None:
    yaml, out = yolo_set(tmp_path / "src", 7), tmp_path / "set"
    pack(yaml, out, sharding=THREE)
    del packed[:]
    labels = next((tmp_path / "src").rglob("labels/**/*.txt"))
    labels.write_text("0 0.5 0.5 0.25 0.25\n")
    yaml.write_text(yaml.read_text() + "# more\n")
    before = manifest(out)
    changes = update(yaml, out).changes
    assert changes is not None
    assert changes.relabelled == 1
    assert packed == []
    assert len(set(manifest(out).shards) & set(before.shards)) == 2
    assert verify(out, yaml).differences_count == 0


def test_interrupted_it_goes_on_and_the_old_store_stays(
    source: Path, tmp_path: Path, packed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "set"
    pack(source, out, sharding=THREE)
    before = snapshot(out)
    change(source)
    with pytest.raises(KeyboardInterrupt):  # verifying counts as well
        update(source, out, sharding=THREE, progress=StopAfter(3 + 3 + 2))
    assert snapshot(out) == before
    first = (partial_path(out) / "shard-00000-1.lmdb").stat().st_ino
    del packed[:]
    update(source, out, sharding=THREE)
    assert (out / "shard-00000-1.lmdb").stat().st_ino == first
    assert len(packed) <= 1
    write_photo(source / "class_1" / "photo_001.jpg", 44, 66, seed=92)
    with pytest.raises(KeyboardInterrupt):
        update(source, out, progress=StopAfter(6))
    write_photo(source / "class_1" / "photo_001.jpg", 45, 67, seed=93)  # what was done is undone
    update(source, out)
    assert_fresh(source, out)


@pytest.mark.parametrize("command", ["update", "overwrite"])
def test_interrupted_while_publishing_there_is_the_old_store_or_the_new_one(
    source: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set"
    pack(source, out, sharding=TWO)
    old = content_hash(out)
    change(source)
    pack(source, tmp_path / "new", sharding=TWO)
    new = content_hash(tmp_path / "new")
    seen: list[str] = []
    rename = os.rename
    while new not in seen:
        allowed = 1

        def stop(*arguments: Path) -> None:
            nonlocal allowed
            if not allowed:
                raise KeyboardInterrupt
            allowed -= 1
            rename(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", stop)
            patch.setattr(shard_publisher, "tidy_folder", stop)
            with pytest.raises(KeyboardInterrupt):
                pack(source, out, sharding=TWO, workers=1, **{command: True})
        seen.append(content_hash(out))
    assert len(seen) > 4
    assert set(seen[:-1]) == {old}
    assert pack(source, out, sharding=TWO, **{command: True}).contents.photos == 12
    assert_fresh(source, out, TWO)


def test_a_shard_that_was_being_published_is_compared_with_the_source(
    source: Path, tmp_path: Path, packed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, photo = tmp_path / "set", source / "class_0" / "photo_001.jpg"
    pack(source, out, sharding=THREE)
    write_photo(photo, 50, 60, seed=90)
    with monkeypatch.context() as patch:
        patch.setattr(Publication, "rename", lambda *_: StopAfter(0).advance(1, 1))
        with pytest.raises(KeyboardInterrupt):
            update(source, out)
    write_photo(photo, 51, 61, seed=91)
    update(source, out)
    assert_fresh(source, out)


def test_what_was_ready_is_not_published_without_the_shards_that_it_would_keep(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set"
    pack(source, out, sharding=THREE)
    change(source)
    with monkeypatch.context() as patch:
        patch.setattr(shard_packing, "publish_folder", lambda *_: StopAfter(0).advance(1, 1))
        with pytest.raises(KeyboardInterrupt):
            update(source, out)
    assert (partial_path(out) / "manifest.json").exists()
    shutil.rmtree(out)
    pack(source, out, sharding=THREE)
    assert_fresh(source, out, THREE)


def test_a_dry_run_says_what_would_be_and_writes_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    dry = pack(source, out, sharding=THREE, dry_run=True)
    assert not out.exists()
    real = pack(source, out, sharding=THREE)
    before = snapshot(tmp_path)
    assert (dry.contents, dry.problems_count) == (real.contents, real.problems_count)
    assert (dry.shards, dry.kept_shards) == (real.shards, real.kept_shards) == (3, 0)
    assert 0 < dry.store_bytes < real.store_bytes
    change(source)
    after = snapshot(source)
    dry = update(source, out, dry_run=True)
    assert (dry.changes, dry.packed_photos, dry.published) == (CHANGED, 2, False)
    assert snapshot(source) == after
    assert {n: v for n, v in snapshot(tmp_path).items() if n.startswith("set/")} == {
        n: v for n, v in before.items() if n.startswith("set/")
    }
    assert dry.shards == 3
    assert update(source, out).changes == CHANGED


@pytest.mark.parametrize("kind", ["exact", "near"])
def test_repeats_are_left_out_of_all_shards(source: Path, tmp_path: Path, kind: str) -> None:
    (source / "class_2" / "again.jpg").write_bytes(
        (source / "class_0" / "photo_001.jpg").read_bytes()
    )
    found: list[Finding] = []
    out = tmp_path / "set"
    pack(source, out, sharding=THREE, dedupe=kind, near=0, on_finding=found.append)
    pack(source, tmp_path / "one.lmdb", dedupe=kind, near=0)
    assert content_hash(out) == content_hash(tmp_path / "one.lmdb")
    assert [f.name for f in found if f.kind.endswith("duplicate")] == ["class_2/again.jpg"]
    with Store(out) as store:
        assert len(store) == 12


def test_one_set_a_split(tmp_path: Path, packed: list[int]) -> None:
    source, out = tmp_path / "src", tmp_path / "set"
    for split in ("train", "val"):
        image_folder(source / split, classes=2, photos=3)
    summary = pack(source, out, split_stores=True, sharding=Sharding(shards=2, deal=True))
    sets = [tmp_path / "set-train", tmp_path / "set-val"]
    assert list(summary.stores) == sets
    assert not out.exists()
    pack(source, tmp_path / "one.lmdb", split_stores=True)
    for made, one in zip(sets, ("one-train.lmdb", "one-val.lmdb"), strict=True):
        assert content_hash(made) == content_hash(tmp_path / one)
        assert len(manifest(made).shards) == 2
    moved = source / "train" / "class_1" / "photo_002.jpg"
    moved.rename(source / "val" / "class_1" / "moved.jpg")
    del packed[:]
    update(source, out, split_stores=True)
    assert packed == []
    assert [manifest(made).samples for made in sets] == [5, 7]
    assert verify(sets[1]).differences_count == 0
    image_folder(source / "test", classes=2, photos=1)
    with pytest.raises(PackError, match=r"set-test: is not there yet.*--shards"):
        update(source, out, split_stores=True)


def test_what_cannot_be_is_said(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    with pytest.raises(PackError, match=r"engine 'ray'.*--shards"):
        pack(source, out, engine="ray")
    pack(source, out, sharding=THREE)
    with pytest.raises(PackError, match="ends in a slash"):
        update(source, f"{tmp_path}/none/")  # type: ignore[arg-type]
    with pytest.raises(PackError, match="sharded store, which --update keeps in shards"):
        pack(source, out)
    with pytest.raises(PackError, match=r"max_side.*--overwrite"):
        update(source, out, max_side=32)
    (tmp_path / "one.lmdb").touch()
    with pytest.raises(PackError, match=r"folder's name for shards.*leave --shards"):
        update(source, tmp_path / "one.lmdb", sharding=THREE)
    (tmp_path / "two.lmdb.partial").touch()
    with pytest.raises(PackError, match="go on without --shards"):
        pack(source, tmp_path / "two.lmdb", sharding=THREE)
    partial_path(tmp_path / "three").mkdir()
    with pytest.raises(PackError, match="go on with --shards"):
        pack(source, tmp_path / "three")
    for photo in source.rglob("*.jpg"):
        photo.write_bytes(b"")
    with pytest.raises(SourceError, match="no file could be packed"):
        update(source, out)
    with Store(out) as store:
        assert len(store) == 12
    with pytest.raises(StoreFormatError, match="same command again"):
        Store(partial_path(tmp_path / "three"))
