"""``split``: by named splits, by shares, by lists."""

from __future__ import annotations

import shutil
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from fastload.convert import Severity, merge, pack, split, verify
from fastload.errors import PackError
from fastload.store import Store, partial_path
from support.interrupt import StopAfter
from support.trees import content_hash, image_folder
from support.yolo import yolo_set


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "src", classes=2, photos=10)


@pytest.fixture
def store(source: Path, tmp_path: Path) -> Path:
    pack(source, tmp_path / "store.lmdb")
    return tmp_path / "store.lmdb"


def names_of(folder: Path, *splits: str) -> list[list[str]]:
    found = []
    for name in splits:
        with Store(folder / f"out-{name}.lmdb") as store:
            found.append(list(store.names))
    return found


def test_named_splits_become_what_packing_gives(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src")
    pack(yaml, tmp_path / "store.lmdb")
    pack(yaml, tmp_path / "packed.lmdb", split_stores=True)
    report = split(tmp_path / "store.lmdb", tmp_path / "out")
    assert report.left_out == 0
    for made in report.stores:
        assert made.content_hash == content_hash(tmp_path / f"packed-{made.name}.lmdb")
        assert made.content_hash == content_hash(made.path)


def test_a_piece_lacks_nothing_of_its_source(tmp_path: Path) -> None:
    """Also where it is called like a split of the source, which has other photos."""
    yaml = yolo_set(tmp_path / "src")
    pack(yaml, tmp_path / "store.lmdb")
    split(tmp_path / "store.lmdb", tmp_path / "out", ratios={"train": 0.5, "val": 0.5})
    paths = [tmp_path / f"out-{name}.lmdb" for name in ("train", "val")]
    assert [verify(path, yaml).differences_count for path in paths] == [0, 0]
    merge(paths[:1], tmp_path / "half.lmdb", splits="none")
    found = verify(tmp_path / "half.lmdb", yaml).tally.groups(Severity.PROBLEM)
    assert {kind: group.count for kind, group in found.items()} == {"not-packed": 3}


def test_shares_are_exact_and_nothing_is_lost(store: Path, tmp_path: Path) -> None:
    report = split(store, tmp_path / "out.lmdb", ratios={"train": 0.7, "val": 0.2, "test": 0.1})
    assert [made.photos for made in report.stores] == [14, 4, 2]
    parts = names_of(tmp_path, "train", "val", "test")
    with Store(store) as before:
        assert sorted(chain(*parts)) == sorted(before.names)
    assert all(part == sorted(part) for part in parts)  # in the order in which they were
    with Store(tmp_path / "out-val.lmdb") as val:
        assert val.header.split_names == ("train", "val", "test")
        assert val.column("split").tolist() == [1] * 4
        assert val.header.class_names == ("class_0", "class_1")


def test_the_division_depends_on_bytes_and_seed_alone(
    source: Path, store: Path, tmp_path: Path
) -> None:
    ratios = {"train": 0.5, "val": 0.5}
    split(store, tmp_path / "out", ratios=ratios, seed=3)
    first = names_of(tmp_path, "train")[0]
    split(store, tmp_path / "out", ratios=ratios, seed=4, overwrite=True)
    assert names_of(tmp_path, "train")[0] != first
    # Other names, another order, and two copies of a photo.
    for path in source.rglob("*.jpg"):
        path.rename(path.with_stem(f"x{9 - int(path.stem[-1])}_{path.stem}"))
    shutil.copy(next((source / "class_0").glob("*photo_004.jpg")), source / "class_1" / "copy.jpg")
    pack(source, store, update=True)
    split(store, tmp_path / "out", ratios=ratios, seed=3, overwrite=True)
    parts = names_of(tmp_path, "train", "val")
    again = {name.replace("/x", "/").replace(f"{name.split('x')[1][:2]}", "", 1)
             for name in parts[0] if "copy" not in name}  # fmt: skip
    assert len(again & set(first)) >= 9
    (where,) = [place for place, part in enumerate(parts) if "class_1/copy.jpg" in part]
    assert any(name.startswith("class_0") and "photo_004" in name for name in parts[where])


def test_stratified_each_class_has_its_share(source: Path, tmp_path: Path) -> None:
    for path in sorted((source / "class_1").glob("*"))[5:]:
        path.unlink()
    pack(source, tmp_path / "store.lmdb")
    split(tmp_path / "store.lmdb", tmp_path / "out", ratios={"a": 0.6, "b": 0.4}, stratify=True)
    a, b = (Counter(name.split("/")[0] for name in part) for part in names_of(tmp_path, "a", "b"))
    assert (a, b) == ({"class_0": 6, "class_1": 3}, {"class_0": 4, "class_1": 2})


def test_photos_without_a_class_go_by_their_rarest_object(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 12)
    for number, path in enumerate(sorted((tmp_path / "src" / "labels").rglob("*.txt"))):
        rare = number < 4
        path.write_text("0 0.5 0.5 0.2 0.2\n" * 3 + ("1 0.5 0.5 0.2 0.2\n" if rare else ""))
    pack(yaml, tmp_path / "store.lmdb")
    split(tmp_path / "store.lmdb", tmp_path / "out", ratios={"a": 0.5, "b": 0.5}, stratify=True)
    for name in ("a", "b"):
        with Store(tmp_path / f"out-{name}.lmdb") as store:
            assert np.count_nonzero(store.annotations.class_ids == 1) == 2


def test_lists_of_names(store: Path, tmp_path: Path) -> None:
    names = {"one": ["class_1/photo_003.jpg", "class_0/photo_001.jpg"], "two": []}
    with pytest.raises(PackError, match="two: expected one sample"):
        split(store, tmp_path / "out", names=names)
    del names["two"]
    report = split(store, tmp_path / "out", names=names)
    assert (report.left_out, report.stores[0].photos) == (18, 2)
    assert names_of(tmp_path, "one") == [sorted(names["one"])]
    with pytest.raises(PackError, match=r"no sample of the name x\\n"):
        split(store, tmp_path / "out", names={"a": ["x\n"]})
    with pytest.raises(PackError, match="listed for two and for one"):
        split(store, tmp_path / "out", names={**names, "two": names["one"]})


def test_interrupted_between_two_stores_it_makes_the_other(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    ratios = {"train": 0.5, "val": 0.5}
    expected = [m.content_hash for m in split(store, tmp_path / "whole", ratios=ratios).stores]
    # Copied are 20, compared 20: so within the copying, and when one store is published.
    for photos in (5, 12, 16):
        with pytest.raises(KeyboardInterrupt):
            split(store, tmp_path / "out", ratios=ratios, progress=StopAfter(photos))
    train, val = tmp_path / "out-train.lmdb", tmp_path / "out-val.lmdb"
    assert train.exists()
    assert partial_path(val).exists()
    inode = train.stat().st_ino
    split(store, tmp_path / "out", ratios=ratios)
    assert train.stat().st_ino == inode
    assert [content_hash(train), content_hash(val)] == expected
    with pytest.raises(PackError, match="exists; --overwrite"):
        split(store, tmp_path / "out", ratios=ratios)
    val.unlink()
    with pytest.raises(PackError, match="exists; --overwrite"):  # of another division
        split(store, tmp_path / "out", ratios=ratios, seed=1)


def test_what_cannot_be_split_is_said(store: Path, tmp_path: Path) -> None:
    with pytest.raises(PackError, match="no named splits; --ratio"):
        split(store, tmp_path / "out")
    with pytest.raises(PackError, match="'b' would have none of the 20"):
        split(store, tmp_path / "out", ratios={"a": 0.99, "b": 0.01})
    with pytest.raises(PackError, match="can stand in a file's name"):
        split(store, tmp_path / "out", ratios={"../a": 1.0})
    for wrong in (
        {"ratios": {"a": 0.5, "b": 0.6}}, {"ratios": {"a": -1.0, "b": 2.0}},
        {"ratios": {"a": float("nan")}}, {"stratify": True},
        {"ratios": {"a": 1.0}, "names": {"a": []}}, {"ratios": {}},
    ):  # fmt: skip
        with pytest.raises(ValueError, match="ratio"):
            split(store, tmp_path / "out", **wrong)  # type: ignore[arg-type]
    assert not list(tmp_path.glob("out*"))
