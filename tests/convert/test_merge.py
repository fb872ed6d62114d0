"""``merge``: the samples of several stores, as they are, in one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastload.convert import Finding, merge, pack, split, verify
from fastload.errors import PackError, RecordError, ResumeError
from fastload.store import LabelState, Names, Store, partial_path
from fastload.store.copy_records import RecordCopier
from support.coco import coco_set
from support.interrupt import StopAfter
from support.trees import content_hash, image_folder, write_photo
from support.yolo import yolo_set


@pytest.fixture
def halves(tmp_path: Path) -> list[Path]:
    """Stores of the classes 0 and 1, and of 2, of one folder; and of all."""
    source = image_folder(tmp_path / "src")
    (source / "class_2" / "bad.jpg").write_bytes(b"")
    pack(source, tmp_path / "whole.lmdb")
    shutil.copytree(source, tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "class_2")
    pack(tmp_path / "a", tmp_path / "a.lmdb")
    shutil.copytree(source / "class_2", tmp_path / "b" / "class_2")
    pack(tmp_path / "b", tmp_path / "b.lmdb")
    return [tmp_path / "a.lmdb", tmp_path / "b.lmdb"]


def test_it_is_what_packing_all_would_give(halves: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    report = merge(halves, out, classes="union")
    assert content_hash(out) == content_hash(tmp_path / "whole.lmdb") == report.content_hash
    assert (report.photos, report.left_out) == (12, 0)
    assert report.class_names == ("class_0", "class_1", "class_2")
    assert report.store_bytes == out.stat().st_size
    with Store(out) as store:
        assert [problem.path for problem in store.problems] == ["class_2/bad.jpg"]
    assert verify(out, tmp_path / "src").differences_count == 0


def test_a_split_store_merges_to_what_it_was(tmp_path: Path) -> None:
    store, out = tmp_path / "store.lmdb", tmp_path / "out.lmdb"
    yaml = yolo_set(tmp_path / "src")
    pack(yaml, store)
    made = split(store, tmp_path / "part.lmdb").stores
    assert [piece.path.name for piece in made] == ["part-train.lmdb", "part-val.lmdb"]
    report = merge([piece.path for piece in made], out)
    assert report.content_hash == content_hash(store) == content_hash(out)
    assert report.split_names == ("train", "val")
    assert verify(out, yaml).differences_count == 0
    with Store(out) as merged, Store(store) as before:
        assert merged.header.annotations == before.header.annotations


def test_other_classes_are_an_error_unless_those_of_all_are_asked_for(
    halves: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(PackError, match=r"2 classes .* found 1: .*'class_2'.*--classes union"):
        merge(halves, tmp_path / "out.lmdb")
    assert not list(tmp_path.glob("out*"))


def test_classes_are_the_same_by_name(tmp_path: Path) -> None:
    """In another order, ids change, of photos' labels too; ids without a name cannot."""
    for name, names in (("a", ("cat", "dog")), ("b", ("dog", "cat"))):
        pack(yolo_set(tmp_path / name, 4, names=names), tmp_path / f"{name}.lmdb")
    stores = [tmp_path / "a.lmdb", tmp_path / "b.lmdb"]
    report = merge(stores, tmp_path / "out.lmdb", prefix=True)
    assert report.class_names == ("cat", "dog")
    with Store(tmp_path / "out.lmdb") as store:
        annotations = store.annotations
        assert annotations is not None
        assert [file.name for file in store.header.annotations.files] == [
            "a/data.yaml", "b/data.yaml",
        ]  # fmt: skip
        assert store.read_file(1) == (tmp_path / "b" / "data.yaml").read_bytes()
        for index in range(len(store)):
            folder, name = store.names[index].split("/", 1)
            (file,) = store.label_files(index) or [None]
            assert file is None or file.name.startswith(f"{folder}/labels/")
            if folder == "a":
                other = store.find(f"b/{name}")
                assert other is not None
                swapped = 1 - annotations[index].objects.class_ids
                np.testing.assert_array_equal(annotations[other].objects.class_ids, swapped)
    labels = tmp_path / "b" / "labels" / "train" / "p1.txt"
    labels.write_text("7 0.5 0.5 0.25 0.5\n")
    pack(tmp_path / "b", stores[1], update=True)
    assert merge([stores[1]], tmp_path / "one.lmdb").photos == 4
    stores[1].unlink()
    pack(tmp_path / "b", stores[1], labels="yolov5")
    with pytest.raises(PackError, match="class 7: expected one of the 2"):
        merge(stores, tmp_path / "other.lmdb", prefix=True)


def test_names_that_stand_twice(tmp_path: Path) -> None:
    first, second = (image_folder(tmp_path / name, 1, 2) for name in ("a", "b"))
    write_photo(second / "class_0" / "photo_001.jpg", seed=70)
    write_photo(second / "class_0" / "photo_002.jpg", seed=71)
    stores = [tmp_path / "a.lmdb", tmp_path / "b.lmdb"]
    for source, store in zip((first, second), stores, strict=True):
        pack(source, store)
    with pytest.raises(PackError, match=r"2 names .*\(1 of them with the same bytes\).*photo_00"):
        merge(stores, tmp_path / "out.lmdb")
    for kept, source in (("first", first), ("last", second)):
        report = merge(stores, tmp_path / f"{kept}.lmdb", duplicates=kept)
        assert (report.photos, report.left_out) == (3, 2)
        with Store(tmp_path / f"{kept}.lmdb") as store:
            index = store.find("class_0/photo_001.jpg")
            assert index is not None
            expected = (source / "class_0" / "photo_001.jpg").read_bytes()
            assert store.read_source(index) == expected
    assert merge(stores, tmp_path / "out.lmdb", prefix=True).photos == 5
    with Store(tmp_path / "out.lmdb") as store:
        assert store.names[4] == "b/class_0/photo_002.jpg"
    (tmp_path / "c").mkdir()
    shutil.copy(stores[0], tmp_path / "c" / "a.lmdb")
    with pytest.raises(PackError, match="two stores have this name"):
        merge([stores[0], tmp_path / "c" / "a.lmdb"], tmp_path / "x.lmdb", prefix=True)


def test_attached_files_that_differ_are_an_error(tmp_path: Path) -> None:
    for name in ("a", "b"):
        yaml = yolo_set(tmp_path / name, 3)
        yaml.write_text(yaml.read_text() + f"# {name}\n")
        for photo in (tmp_path / name / "images").rglob("*.jpg"):
            photo.rename(photo.with_stem(name + photo.stem))
        pack(yaml, tmp_path / f"{name}.lmdb")
    stores = [tmp_path / "a.lmdb", tmp_path / "b.lmdb"]
    with pytest.raises(PackError, match=r"data\.yaml is another one"):
        merge(stores, tmp_path / "out.lmdb")
    merge(stores, tmp_path / "out.lmdb", duplicates="last")
    with Store(tmp_path / "out.lmdb") as store:
        assert store.read_file(0).endswith(b"# b\n")


def test_labels_of_every_kind_stand_in_one_store(tmp_path: Path) -> None:
    coco_set(tmp_path / "coco")
    pack(tmp_path / "coco", tmp_path / "coco.lmdb")
    pack(yolo_set(tmp_path / "yolo"), tmp_path / "yolo.lmdb")
    pack(image_folder(tmp_path / "folder", 1, 2), tmp_path / "folder.lmdb")
    stores = [tmp_path / f"{name}.lmdb" for name in ("coco", "yolo", "folder")]
    found: list[Finding] = []
    out = tmp_path / "out.lmdb"
    report = merge(stores, out, classes="union", on_finding=found.append)
    assert {finding.kind for finding in found} == {"image-ids", "object-ids", "category-ids"}
    assert verify(out).content_hash == report.content_hash
    with Store(out) as merged:
        annotations = merged.annotations
        assert annotations is not None
        assert {"area", "crowd"} <= set(annotations.header.object_fields)
        place = 0
        for path in stores:
            with Store(path) as store:
                before = store.annotations
                for index in range(len(store)):
                    labels, name = annotations[place], merged.names[place]
                    assert name == store.names[index]
                    if before is None:
                        assert labels.state is LabelState.MISSING
                    else:
                        objects = before[index].objects
                        assert labels.state is before[index].state
                        np.testing.assert_array_equal(labels.objects.boxes, objects.boxes)
                        names = [merged.header.class_names[i] for i in labels.objects.class_ids]
                        assert names == [store.header.class_names[i] for i in objects.class_ids]
                        assert len(labels.objects.polygons) == len(objects)
                        assert store.label_files(index) == merged.label_files(place)
                        if "area" not in objects.fields and len(objects):
                            sides = objects.boxes[:, 2:] - objects.boxes[:, :2]
                            area = labels.objects.fields["area"]
                            np.testing.assert_allclose(area, sides.prod(axis=1))
                    place += 1
        assert place == len(merged)


def test_each_store_can_be_a_split_or_there_can_be_none(halves: list[Path], tmp_path: Path) -> None:
    merge(halves, tmp_path / "out.lmdb", classes="union", splits="stores")
    with Store(tmp_path / "out.lmdb") as store:
        assert store.header.split_names == ("a", "b")
        assert store.column("split").tolist() == [0] * 8 + [1] * 4
    merge([tmp_path / "out.lmdb"], tmp_path / "none.lmdb", splits="none")
    with Store(tmp_path / "none.lmdb") as store:
        assert store.header.split_names == ()
    assert content_hash(tmp_path / "none.lmdb") == content_hash(tmp_path / "whole.lmdb")


def test_interrupted_it_goes_on_with_the_same_stores_only(
    halves: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "out.lmdb"
    for photos in (3, 8, 2):
        with pytest.raises(KeyboardInterrupt):
            merge(halves, out, classes="union", progress=StopAfter(photos))
        assert partial_path(out).exists()
        assert not out.exists()
    with pytest.raises(ResumeError, match="copied_from"):
        merge(halves, out, classes="union", splits="none")
    report = merge(halves, out, classes="union")
    assert report.content_hash == content_hash(tmp_path / "whole.lmdb")
    with pytest.raises(PackError, match="exists; --overwrite"):
        merge(halves, out, classes="union")
    assert merge([out], out, overwrite=True).photos == 12  # from and to the same


def test_a_copy_that_is_none_is_not_published(
    halves: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.lmdb"
    copy = RecordCopier.copy
    with monkeypatch.context() as patch:
        patch.setattr(RecordCopier, "copy", lambda self, index, writer: copy(self, 0, writer))
        with pytest.raises(PackError, match="is not sample 1 of"):
            merge(halves, out, classes="union")
    assert not out.exists()
    assert merge(halves, out, classes="union", restart=True).photos == 12


def test_a_damaged_record_is_named(halves: list[Path], tmp_path: Path) -> None:
    with Store(halves[0]) as store:
        place = int(store.column("file_offset")[3]) + 200
    data = bytearray(halves[0].read_bytes())
    data[place] ^= 1
    halves[0].write_bytes(data)
    with pytest.raises(RecordError, match=r"sample 3 \(class_0/photo_003.jpg\)"):
        merge(halves, tmp_path / "out.lmdb", classes="union")
    assert not (tmp_path / "out.lmdb").exists()


def test_what_no_packing_wrote_is_refused(
    halves: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with a NUL can only stand in a store that someone forged."""
    monkeypatch.setattr(Names, "encoded", lambda _self, place: b"a\0%d" % place)
    with pytest.raises(PackError, match=r"sample 0 cannot be copied: name: .*without NUL"):
        merge(halves, tmp_path / "out.lmdb", classes="union", duplicates="first")


def test_smaller_photos_and_whole_ones(tmp_path: Path) -> None:
    """What is known of originals is known of all."""
    source = image_folder(tmp_path / "src", 1, 2)
    pack(source, tmp_path / "small.lmdb", max_side=32)
    pack(source, tmp_path / "whole.lmdb")
    stores = [tmp_path / "small.lmdb", tmp_path / "whole.lmdb"]
    merge(stores, tmp_path / "out.lmdb", prefix=True)
    with Store(tmp_path / "out.lmdb") as store:
        sizes = store.column("original_size")
        assert sizes.tolist()[:2] == sizes.tolist()[2:]
        assert store.column("width").tolist()[0] == 32
        assert store.header.options["max_side"] == "mixed"


@pytest.mark.parametrize("choice", [{"max_side": 32}, {"format": "raw"}, {"tile": "never"}])
def test_photos_packed_in_several_ways_cannot_be_updated_as_if_in_one(
    choice: dict[str, Any], tmp_path: Path
) -> None:
    """A record made with another choice is not what the update would make of the file."""
    for name in "ab":
        write_photo(tmp_path / name / f"{name}.jpg", 40, 60)
        write_photo(tmp_path / "src" / f"{name}.jpg", 40, 60)
    pack(tmp_path / "a", tmp_path / "a.lmdb")
    pack(tmp_path / "b", tmp_path / "b.lmdb", **choice)
    out = tmp_path / "out.lmdb"
    merge([tmp_path / "a.lmdb", tmp_path / "b.lmdb"], out)
    for now in ({}, choice):
        with pytest.raises(PackError, match=f"{next(iter(choice))} 'mixed', now"):
            pack(tmp_path / "src", out, update=True, **now)
    assert verify(out, tmp_path / "src").differences_count == 0
    again = tmp_path / "again.lmdb"
    merge([out, tmp_path / "b.lmdb"], again, duplicates="first")
    with pytest.raises(PackError, match="'mixed', now"):
        pack(tmp_path / "src", again, update=True)


@pytest.mark.parametrize("wrong", [{"classes": "x"}, {"splits": "x"}, {"duplicates": "x"}])
def test_unknown_choices(wrong: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected one of"):
        merge([tmp_path / "a"], tmp_path / "b", **wrong)  # type: ignore[arg-type]
