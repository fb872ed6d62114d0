"""A data set divided into shards: the same content as one store, interruptible, opened as one."""

from __future__ import annotations

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from fastload.convert import (
    Finding,
    PackOptions,
    ProblemsFoundError,
    Sharding,
    inspect,
    pack,
    unpack,
    verify,
)
from fastload.errors import PackError, RecordError, ResumeError, SourceError, StoreFormatError
from fastload.store import Store, partial_path
from fastload.store.manifest import parse_manifest
from support.interrupt import StopAfter
from support.loaders import damage_record
from support.trees import content_hash, image_folder, snapshot, write_photo
from support.yolo import yolo_set

TWO = PackOptions(workers=2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=3, photos=4)
    write_photo(root / "class_1" / "photo_000x.png", format_name="PNG")
    (root / "class_1" / "photo_001x.jpg").write_bytes(b"no photo")
    return root


def shards(source: Path, out: Path, **how: object) -> None:
    options = {name: how.pop(name) for name in ("progress", "on_finding") if name in how}
    sharding = Sharding(**({"shards": 3} | how))  # type: ignore[arg-type]
    pack(source, out, TWO, sharding=sharding, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("deal", [False, True])
def test_the_content_is_that_of_one_store(source: Path, tmp_path: Path, deal: bool) -> None:
    found: list[Finding] = []
    expected: list[Finding] = []
    shards(source, tmp_path / "set", deal=deal, on_finding=found.append)
    pack(source, tmp_path / "one.lmdb", on_finding=expected.append)
    assert content_hash(tmp_path / "set") == content_hash(tmp_path / "one.lmdb")
    key = [(f.severity, f.name, f.kind) for f in expected]
    assert sorted((f.severity, f.name, f.kind) for f in found) == sorted(key)
    with Store(tmp_path / "set") as many, Store(tmp_path / "one.lmdb") as one:
        assert list(many.names) == list(one.names)
        assert many.header.formats == one.header.formats
        assert many.problems == one.problems
        for index in range(len(one)):
            assert many.read_source(index) == one.read_source(index)
            assert many.record(index).index == index
        assert len(set(many.column("shard").tolist())) == 3
    assert unpack(tmp_path / "set", tmp_path / "back").files == 13
    back = snapshot(tmp_path / "back")
    assert back == {name: snapshot(source)[name] for name in back}
    assert inspect(tmp_path / "set").contents.photos == 13


def test_labels_of_every_kind_are_joined(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 7)
    pack(yaml, tmp_path / "one.lmdb")
    for deal in (False, True):
        out = tmp_path / f"set{deal}"
        shards(yaml, out, deal=deal)
        assert content_hash(out) == content_hash(tmp_path / "one.lmdb")
        with Store(out) as many, Store(tmp_path / "one.lmdb") as one:
            assert many.annotations is not None
            assert one.annotations is not None
            assert np.array_equal(many.annotations.boxes, one.annotations.boxes)
            assert many.header.annotations == one.header.annotations
            assert many.read_file(0) == one.read_file(0)
        unpack(out, tmp_path / f"back{deal}")
        assert snapshot(tmp_path / f"back{deal}") == snapshot(tmp_path / "src")


def test_shards_by_bytes_hold_about_as_many(source: Path, tmp_path: Path) -> None:
    sizes = [path.stat().st_size for path in sorted(source.rglob("*.jpg"))]
    shards(source, tmp_path / "set", shards=0, shard_bytes=3 * max(sizes))
    with Store(tmp_path / "set") as store:
        counts = np.bincount(store.column("shard"))
    assert len(counts) >= 4
    assert counts.max() <= 6


@pytest.mark.parametrize("deal", [False, True])
def test_an_interrupted_run_goes_on_and_does_no_shard_twice(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deal: bool
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "set"
    with pytest.raises(KeyboardInterrupt):  # verifying counts as well
        shards(source, out, deal=deal, progress=StopAfter(4 + 4 + 2))
    assert not out.exists()
    with pytest.raises(StoreFormatError, match="same command again"):
        Store(partial_path(out))
    first = partial_path(out) / "shard-00000.lmdb"
    before = first.stat()
    found: list[Finding] = []
    shards(source, out, deal=deal, on_finding=found.append)
    assert os.path.samestat(before, (out / first.name).stat())
    assert [f.name for f in found if f.kind == "not-an-image"] == ["class_1/photo_001x.jpg"]
    shards(source, tmp_path / "fresh", deal=deal)
    assert content_hash(out) == content_hash(tmp_path / "fresh")
    assert sorted(path.name for path in out.iterdir()) == [
        "columns.lmdb", "manifest.json", *(f"shard-0000{n}.lmdb" for n in range(3))
    ]  # fmt: skip


def test_a_source_or_a_command_that_changed_is_noticed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    (source / "class_2" / "photo_003.jpg").rename(tmp_path / "away.jpg")
    shards(source, out)
    shutil.move(out, partial_path(out))
    (partial_path(out) / "manifest.json").unlink()
    with pytest.raises(ResumeError, match="begun otherwise"):
        shards(source, out, shards=2)
    os.utime(source / "class_0" / "photo_001.jpg")
    with pytest.raises(ResumeError, match=r"photo_001\.jpg has changed"):
        shards(source, out)
    pack(source, out, sharding=Sharding(shards=2), restart=True)
    with Store(out) as store:
        assert len(store) == 12


def test_what_is_there_is_only_replaced_when_asked(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    shards(source, out)
    with pytest.raises(PackError, match="--overwrite"):
        shards(source, out)
    write_photo(source / "class_0" / "new.jpg")
    pack(source, out, sharding=Sharding(shards=2), overwrite=True)
    with Store(out) as store:
        assert len(store) == 14
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set", "src"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").touch()
    for wrong in (tmp_path / "mine", tmp_path / "mine" / "letter.txt", tmp_path / "none" / "x"):
        with pytest.raises(PackError):
            pack(source, wrong, sharding=Sharding(shards=2), overwrite=True)
    with pytest.raises(SourceError, match="inside the source"):
        shards(source, source / "set")


def test_strict_publishes_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    for _ in range(2):  # also where all shards are done
        with pytest.raises(ProblemsFoundError):
            pack(source, out, sharding=Sharding(shards=2), strict=True)
        assert not out.exists()
    shards(source, out, shards=2)


@pytest.fixture
def packed(source: Path, tmp_path: Path) -> Path:
    shards(source, tmp_path / "set")
    return tmp_path / "set"


def test_it_pickles_as_its_path(packed: Path, source: Path) -> None:
    store = Store(packed)
    data = pickle.dumps(store)
    assert list(pickle.loads(data).names) == list(store.names)
    pack(source, packed, sharding=Sharding(shards=2), overwrite=True)
    with pytest.raises(StoreFormatError, match="replaced meanwhile"):
        pickle.loads(data)


def test_damage_names_the_shard_and_the_sample(packed: Path) -> None:
    damage_record(packed / "shard-00001.lmdb", 1)
    with Store(packed) as store:
        index = int(np.flatnonzero(store.column("shard") == 1)[1])
        with pytest.raises(RecordError, match=r"shard-00001\.lmdb") as caught:
            store.record_bytes(index)
        assert (caught.value.index, caught.value.name) == (index, store.names[index])


def test_verify_compares_files_with_the_manifest(packed: Path) -> None:
    """Also where no sample shows it: a shard's own columns are not those that are read."""
    shard = packed / "shard-00001.lmdb"
    with Store(shard) as one:
        name = one.names[0].encode()
    data = shard.read_bytes()
    at = data.index(name)
    shard.write_bytes(data[:at] + b"X" + data[at + 1 :])
    report = verify(packed)
    assert list(report.as_json()["differences"]) == ["shard"]


def test_files_that_are_not_what_the_manifest_says_are_refused(packed: Path) -> None:
    shard = packed / "shard-00001.lmdb"
    others, other = shard.read_bytes(), (packed / "shard-00000.lmdb").read_bytes()
    manifest = parse_manifest((packed / "manifest.json").read_bytes(), "")
    index = manifest.shards[0].samples
    for change, message in (
        (others[:-4096], "bytes, as the manifest says"),
        (other.ljust(len(others), b"\0")[: len(others)], "shard"),
    ):
        shard.write_bytes(change)
        with Store(packed) as store, pytest.raises(StoreFormatError, match=message):
            store.record_bytes(index)
    shard.unlink()
    with Store(packed) as store, pytest.raises(FileNotFoundError):
        store.record_bytes(index)
    shutil.copy(packed / "shard-00000.lmdb", packed / "columns.lmdb")
    with pytest.raises(StoreFormatError, match=r"columns\.lmdb"):
        Store(packed)
