"""COCO data sets: boxes, polygons, masks, keypoints and ids as the file has them, or the reason."""

from __future__ import annotations

import json
import math
import os
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastload.convert import Finding, Summary, pack, unpack
from fastload.convert.findings import RefusedError
from fastload.convert.labelled import LabelError, PhotoSize
from fastload.convert.sources import SourceItem, find_source
from fastload.convert.sources.coco import file
from fastload.convert.sources.coco.rle import runs_of
from fastload.errors import SourceError
from fastload.store import LabelState, Store
from support.coco import annotation, coco_json, coco_set, write_json
from support.trees import snapshot, write_photo
from support.yolo import turned_photo


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def one(root: Path, *annotations: dict[str, Any], **image: Any) -> Path:
    """A data set of one photo, 30 x 40; returns its JSON."""
    write_photo(root / "a.jpg", 30, 40)
    images = [{"id": 7, "file_name": "a.jpg", "height": 30, "width": 40, **image}]
    path = root / "_annotations.coco.json"
    path.write_text(json.dumps(coco_json(images, list(annotations))))
    return path


def test_numbers_and_ids_are_those_of_the_file(tmp_path: Path) -> None:
    crowd = {"size": [30, 40], "counts": [600, 100, 500]}
    path = one(
        tmp_path / "src",
        annotation(2**40, 7),
        annotation(5, 7, category_id=1, keypoints=[3, 4.5, 2, 0, 0, 0], num_keypoints=1),
        annotation(6, 7, iscrowd=1, segmentation=crowd, area=100),
        annotation(8, 7, segmentation=[[0, 0, 5, 0, 5, 5], [9, 9, 12, 9, 12, 12, 9, 12]]),
        annotation(9, 7, segmentation=[], area=None),
    )
    summary, _ = packed(path, tmp_path / "o.lmdb")
    assert summary.problems_count == 0
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("person", "dog")
        annotations = store.annotations
        assert annotations is not None
        header = annotations.header
        assert (header.category_ids, header.keypoint_shape) == ((1, 18), (2, 3))
        assert (header.keypoint_names, header.skeleton) == (("nose", "tail"), ((0, 1),))
        labels = annotations[0]
        objects = labels.objects
        assert labels.image_id == 7
        assert objects.class_ids.tolist() == [1, 0, 1, 1, 1]
        assert objects.boxes[0].tolist() == [1.5, 2.25, 1.5 + 10.1, 2.25 + 20.2]
        assert objects.fields["id"].tolist() == [2**40, 5, 6, 8, 9]
        assert objects.fields["area"].tolist() == [77.125, 77.125, 100, 77.125, 10.1 * 20.2]
        assert objects.fields["crowd"].tolist() == [0, 0, 1, 0, 0]
        assert objects.fields["keypoints"][1].tolist() == [[3, 4.5, 2], [0, 0, 0]]
        assert not objects.fields["keypoints"][[0, 2, 3]].any()
        assert objects.masks[2].tolist() == [600, 100, 500]
        assert [len(rings) for rings in objects.polygons] == [1, 1, 0, 2, 0]
        assert objects.polygons[3][1].tolist() == [[9, 9], [12, 9], [12, 12], [9, 12]]


def test_splits_are_the_files_and_images_without_annotations_stay(tmp_path: Path) -> None:
    coco_set(tmp_path / "src", 6)
    summary, _ = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert summary.contents.splits == {"train2017": 4, "val2017": 2}
    assert summary.contents.labels == {"empty": 2, "present": 4}
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(tmp_path / "src")


def test_other_files_of_a_split_are_named_and_can_be_packed_by_name(tmp_path: Path) -> None:
    root = tmp_path / "src"
    files = coco_set(root, 3)
    for kind in ("captions", "person_keypoints"):
        (root / f"annotations/{kind}_val2017.json").write_text(json.dumps(files["val2017"]))
    (root / "annotations/panoptic_test.json").write_text(json.dumps(files["val2017"]))
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert set(summary.contents.splits) == {"train2017", "val2017"}
    assert [name for name, _ in of_kind(found, "other-annotations")] == [
        "annotations/person_keypoints_val2017.json", "annotations/captions_val2017.json",
    ]  # fmt: skip
    named, _ = packed(root / "annotations/person_keypoints_val2017.json", tmp_path / "o.lmdb")
    assert (named.contents.photos, named.contents.splits) == (1, {})


FOLDERS = {
    "beside": ("x.json", "a.jpg", "a.jpg"),
    "in images/": ("annotations/x.json", "images/a.jpg", "a.jpg"),
    "in a folder of the split's name": ("annotations/val.json", "val/a.jpg", "a.jpg"),
    "in images/ and the split": ("annotations/val.json", "images/val/a.jpg", "a.jpg"),
    "with its folder in the name": ("annotations/x.json", "deep/er/a.jpg", "deep/er/a.jpg"),
    "beside, one step up": ("annotations/x.json", "photos/a.jpg", "../photos/a.jpg"),
}


@pytest.mark.parametrize("where", FOLDERS)
def test_photos_are_found(tmp_path: Path, where: str) -> None:
    file, photo, name = FOLDERS[where]
    root = tmp_path / "src"
    write_photo(root / photo, 30, 40)
    (root / file).parent.mkdir(exist_ok=True)
    (root / file).write_text(
        json.dumps(coco_json([{"id": 1, "file_name": name}], [annotation(1, 1)]))
    )
    for source in (root, root / file):
        summary, _ = packed(source, tmp_path / "o.lmdb")
        assert summary.problems_count == 0
        with Store(tmp_path / "o.lmdb") as store:
            assert list(store.names) == [photo]


DAMAGED: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": ({"bbox": [math.nan, 1, 2, 3]}, "finite"),
    "infinity": ({"bbox": [1, math.inf, 2, 3]}, "finite"),
    "text": ({"bbox": ["1", 1, 2, 3]}, "finite"),
    "a huge number": ({"bbox": [10**400, 1, 2, 3]}, "finite"),
    "numbers whose sum is infinite": ({"bbox": [1e308, 1, 1e308, 3]}, "finite"),
    "sides whose product is infinite": ({"bbox": [0, 0, 1e200, 1e200], "area": None}, "finite"),
    "three numbers": ({"bbox": [1, 2, 3]}, "4 numbers"),
    "no box": ({"bbox": None}, "4 numbers"),
    "an unknown category": ({"category_id": 2}, "no such category: 2"),
    "no category": ({"category_id": None}, "no such category"),
    "a flag of 2": ({"iscrowd": 2}, "iscrowd"),
    "an id of 100 digits": ({"id": 10**100}, "64 bits"),
    "an odd polygon": ({"segmentation": [[1, 2, 3]]}, "pairs"),
    "a polygon of text": ({"segmentation": ["x"]}, "segmentation"),
    "a polygon of NaN": ({"segmentation": [[1, math.nan]]}, "finite"),
    "a mask of another size": (
        {"segmentation": {"size": [40, 30], "counts": [1200]}}, "size: expected .30, 40.",
    ),
    "a mask that does not add up": (
        {"segmentation": {"size": [30, 40], "counts": [1, 2]}}, "a mask of 3 pixels",
    ),
    "a mask of negative runs": (
        {"segmentation": {"size": [30, 40], "counts": [-1, 1201]}}, "run lengths",
    ),
    "a mask of nonsense": (
        {"segmentation": {"size": [30, 40], "counts": "\u00e9"}}, "compressed run lengths",
    ),
    "a mask without counts": ({"segmentation": {"size": [30, 40]}}, "run lengths"),
    "too many keypoints": ({"category_id": 1, "keypoints": [1] * 9}, "category's 2, found 9"),
    "too few keypoints": ({"category_id": 1, "keypoints": [1] * 3}, "category's 2, found 3"),
    "keypoints of a category that has none": ({"keypoints": [1] * 6}, "category's 0, found 6"),
    "keypoints of two numbers": ({"category_id": 1, "keypoints": [1] * 4}, "expected 3 numbers"),
    "an infinite area": ({"area": math.inf}, "area"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_an_annotation_that_cannot_be_read_costs_its_photos_labels(
    tmp_path: Path, what: str
) -> None:
    changes, match = DAMAGED[what]
    root = tmp_path / "src"
    path = one(root, annotation(1, 7), annotation(2, 7) | changes)
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"damaged": 1}
    ((name, detail),) = of_kind(found, "label")
    assert name == "_annotations.coco.json"
    assert detail.startswith("annotations[1] (id ")
    assert re.search(match, detail)
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_boxes_without_an_area_are_left_out_and_said(tmp_path: Path) -> None:
    path = one(
        tmp_path / "src",
        annotation(1, 7, bbox=[1, 2, 0, 5]),
        annotation(2, 7, bbox=[1, 2, 3, -1]),
        annotation(3, 7),
    )
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert (summary.contents.objects, summary.problems_count) == (1, 0)
    assert len(of_kind(found, "label-remark")) == 2


def test_what_is_left_out_of_an_annotation_is_said(tmp_path: Path) -> None:
    path = one(
        tmp_path / "src",
        annotation(1, 7, segmentation=[[1, 2, 3, 4], [0, 0, 5, 0, 5, 5]]),
        annotation(2, 7, area=-3),
    )
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"present": 1}
    assert [detail for _, detail in of_kind(found, "label-remark")] == [
        "annotations[0]: a polygon of fewer than 3 points; left out",
        "annotations[1]: an area of -3; the box's is taken",
    ]
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        objects = store.annotations[0].objects
        assert [len(rings) for rings in objects.polygons] == [1, 1]
        assert objects.fields["area"][1] == pytest.approx(10.1 * 20.2)


def test_a_skeleton_of_points_that_are_not_there_is_said(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7, keypoints=[1, 2, 2]))
    values = json.loads(path.read_text())
    values["categories"] = [
        {"id": 18, "name": "dog", "keypoints": ["nose"], "skeleton": [[1, 1], [1, 2], [0, 1]]}
    ]
    path.write_text(json.dumps(values))
    _, found = packed(path, tmp_path / "o.lmdb")
    ((name, detail),) = of_kind(found, "label-remark")
    assert name.endswith("categories[0]")
    assert "from 1 to 1" in detail
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.header.skeleton == ((0, 0),)


def test_keypoints_that_no_category_names_are_said(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7, keypoints=[1, 2, 2]))
    values = json.loads(path.read_text())
    path.write_text(json.dumps(values | {"categories": [{"id": 18, "name": "dog"}]}))
    _, found = packed(path, tmp_path / "o.lmdb")
    assert "no category names any" in of_kind(found, "label-remark")[0][1]


def test_whole_floats_are_ids(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7) | {"id": 5.0, "image_id": 7.0}, id=7.0)
    values = json.loads(path.read_text())
    values["annotations"][0]["category_id"] = values["categories"][0]["id"] = 18.0
    path.write_text(json.dumps(values))
    summary, _ = packed(path, tmp_path / "o.lmdb")
    assert (summary.problems_count, summary.contents.objects) == (0, 1)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.header.category_ids == (1, 18)
        assert store.annotations[0].image_id == 7
        assert store.annotations[0].objects.fields["id"].tolist() == [5]


@pytest.mark.parametrize("identity", [True, 9007199254740993.0], ids=str)
def test_true_and_rounded_numbers_are_no_ids(tmp_path: Path, identity: object) -> None:
    path = one(tmp_path / "src", annotation(3, 1, image_id=identity), annotation(4, 1), id=1)
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert summary.contents.objects == 1
    ((_, detail),) = of_kind(found, "label")
    assert "expected an annotation with image_id" in detail


def test_ids_that_stand_twice_and_annotations_of_no_image_are_said(tmp_path: Path) -> None:
    root = tmp_path / "src"
    for name in "abc":
        write_photo(root / f"{name}.jpg", 30, 40)
    images: list[Any] = [
        {"id": 1, "file_name": "a.jpg"}, {"id": 1, "file_name": "b.jpg"},
        {"id": 2, "file_name": "a.jpg"}, {"id": 3, "file_name": "../x.jpg"},
        {"id": 4, "file_name": "gone.jpg"}, {"id": [], "file_name": "c.jpg"}, {"id": 5}, 6,
        {"id": 8, "file_name": "\ud800.jpg"}, {"id": 9, "file_name": "a\0.jpg"},
    ]  # fmt: skip
    annotations = [annotation(1, 1), annotation(2, 99), annotation(3, 99), "x", annotation(2, 1)]
    (root / "all.json").write_text(json.dumps(coco_json(images, annotations)))
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.photos == 1
    assert [name for name, _ in of_kind(found, "image-id")] == [
        "all.json, images[1]", "all.json, images[5]",
    ]  # fmt: skip
    assert of_kind(found, "annotation-id") == [
        ("all.json, annotations[4]", "id 2: annotations[1] has it too; both are packed")
    ]
    assert "2 annotations" in of_kind(found, "label-without-photo")[0][1]
    assert of_kind(found, "listed-twice")[0][0] == "all.json, images[2]"
    assert of_kind(found, "path-out")[0][0] == "all.json, images[3]"
    assert "images[4]" in of_kind(found, "missing")[0][1]
    assert {name for name, _ in of_kind(found, "label")} == {
        *(f"all.json, images[{place}]" for place in (6, 7, 8, 9)), "all.json, annotations[3]",
    }  # fmt: skip
    assert {name for name, _ in of_kind(found, "unlisted-photo")} == {"b.jpg", "c.jpg"}


@pytest.mark.parametrize(("sides", "upright"), [((80, 40), 1), ((40, 80), 0), ((None, None), 1)])
def test_the_stated_size_says_whether_coordinates_are_upright(
    tmp_path: Path, sides: tuple[int | None, int | None], upright: int
) -> None:
    path = one(tmp_path / "src", annotation(1, 7), height=sides[0], width=sides[1])
    turned_photo(tmp_path / "src/a.jpg", 40, 80, 6)
    packed(path, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.upright.tolist() == [upright]


def test_a_stated_size_that_is_not_the_photos_is_said(tmp_path: Path) -> None:
    _, found = packed(one(tmp_path / "src", height=300, width=400), tmp_path / "o.lmdb")
    assert "(300, 400); the photo has (30, 40)" in of_kind(found, "label-remark")[0][1]


def test_masks_of_another_size_than_the_photo_are_refused(tmp_path: Path) -> None:
    mask = {"size": [300, 400], "counts": [120_000]}
    path = one(tmp_path / "src", annotation(1, 7, segmentation=mask), height=300, width=400)
    assert packed(path, tmp_path / "o.lmdb")[0].contents.labels == {"damaged": 1}


BAD_JSON = {
    '{"images": [\n  {"id": 1,\n ]}': "line 3: no valid JSON",
    '{"images": [], "images": []}': "the name 'images' stands twice",
    '{"images": {}}': "images: expected a list",
    '{"images": [], "categories": [{"id": "1"}]}': r"categories\[0\]",
    '{"images": [], "categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]}': "id stands",
    '{"images": ' + "[" * 100_000: "no valid JSON",
    '{"images": ' + "9" * 10_000 + "}": "no valid JSON",
    '{"images": ["\\ud800"], "categories": 1}': "categories: expected a list",
}


@pytest.mark.parametrize("text", BAD_JSON)
def test_a_broken_file_is_an_error_that_says_where(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(SourceError, match=rf"x\.json: .*{BAD_JSON[text]}"):
        pack(tmp_path / "x.json", tmp_path.parent / "o.lmdb")


@pytest.mark.parametrize("data", [b"", b"[1]", "{}".encode("utf-16")])
@pytest.mark.parametrize("name", ["annotations/instances_train.json", "a/_annotations.coco.json"])
def test_a_broken_file_is_not_passed_over(tmp_path: Path, name: str, data: bytes) -> None:
    write_photo(tmp_path / "src" / "a" / "1.jpg")
    (tmp_path / "src" / name).parent.mkdir(exist_ok=True)
    (tmp_path / "src" / name).write_bytes(data)
    with pytest.raises(SourceError, match=Path(name).name):
        pack(tmp_path / "src", tmp_path / "o.lmdb")


def test_json_in_single_quotes_is_an_error_whatever_its_name(tmp_path: Path) -> None:
    coco_set(tmp_path / "src")
    (tmp_path / "src" / "annotations" / "mine.json").write_text(str(coco_json([], [])))
    with pytest.raises(SourceError, match=r"mine\.json: line 1: no valid JSON"):
        pack(tmp_path / "src", tmp_path / "o.lmdb")


@pytest.mark.parametrize("data", [b"", b"[1]", b'{"info": {}', "{}".encode("utf-16")])
def test_other_json_beside_that_of_the_data_set_is_listed(tmp_path: Path, data: bytes) -> None:
    coco_set(tmp_path / "src")
    (tmp_path / "src" / "annotations" / "mine.json").write_bytes(data)
    _, found = packed(tmp_path / "src", tmp_path / "o.lmdb")
    ((name, detail),) = of_kind(found, "other-file")
    assert name == "annotations/mine.json"
    assert "no COCO JSON" in detail


def test_what_lies_beside_a_json_that_was_named_is_no_matter(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7))
    (tmp_path / "src" / "notes.txt").write_text("of another data set")
    _, found = packed(path, tmp_path / "o.lmdb")
    assert not of_kind(found, "other-file")
    _, found = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "other-file")] == ["notes.txt"]


def test_photos_lie_where_most_of_those_looked_at_are(tmp_path: Path) -> None:
    root = tmp_path / "src"
    far = write_photo(tmp_path / "far.jpg")
    images = [{"id": 1, "file_name": str(far)}, {"id": 2, "file_name": "."}]
    for number in (3, 4):
        photo = write_photo(root / "train" / f"{number}.jpg")
        images.append({"id": number, "file_name": photo.name})
    (root / "annotations").mkdir()
    (root / "annotations/instances_train.json").write_text(json.dumps(coco_json(images, [])))
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.photos == 2
    assert [kind for kind in ("path-out", "special-file") if len(of_kind(found, kind)) == 1] == [
        "path-out", "special-file",
    ]  # fmt: skip


def test_members_may_stand_in_any_order(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7), annotation(2, 7, category_id=1))
    values = json.loads(path.read_text())
    packed(path, tmp_path / "o.lmdb")
    turned = {"annotations": values["annotations"], "more": [[1], "\u00e9"], **values}
    path.write_text(json.dumps(turned, ensure_ascii=False, indent=2))
    packed(path, tmp_path / "turned.lmdb")
    with Store(tmp_path / "o.lmdb") as store, Store(tmp_path / "turned.lmdb") as other:
        assert store.annotations is not None
        assert other.annotations is not None
        expected, found = (each[0].objects for each in (store.annotations, other.annotations))
        np.testing.assert_array_equal(found.boxes, expected.boxes)
        assert found.fields["id"].tolist() == [1, 2]
        assert found.class_ids.tolist() == expected.class_ids.tolist()
        assert other.read_file(0) == path.read_bytes()


def test_annotations_of_an_image_may_stand_far_apart(tmp_path: Path) -> None:
    """Each is read from its place: behind texts that take more bytes than characters, too."""
    root = tmp_path / "src"
    images, annotations = [], []
    for number in range(5):
        write_photo(root / f"{number}.jpg", 30, 40, seed=number)
        images.append({"id": f"\u4e2d{number}", "file_name": f"{number}.jpg"})
    for identity in range(40):
        image = f"\u4e2d{identity * 7 % 5}"
        annotations.append(annotation(identity, 0, image_id=image, note="\u00e9" * identity))
    text = json.dumps(coco_json(images, annotations), ensure_ascii=False)
    (root / "all.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    packed(root / "all.json", tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        for number in range(5):
            found = store.annotations[number].objects.fields["id"].tolist()
            assert found == [identity for identity in range(40) if identity * 7 % 5 == number]


def test_a_file_that_changes_while_it_is_packed_costs_the_photos_that_follow(
    tmp_path: Path,
) -> None:
    root = tmp_path / "src"
    write_photo(root / "b.jpg", 30, 40)
    path = one(root, annotation(1, 7))
    source = find_source(path)
    (item,) = (item for item in source.items() if isinstance(item, SourceItem))
    assert source.label(item, PhotoSize(30, 40)) is not None
    path.write_text(path.read_text() + " ")
    with pytest.raises(RefusedError, match="changed after it was listed"):
        source.label(item, PhotoSize(30, 40))


def test_other_bytes_of_the_same_size_and_time_cost_the_labels(tmp_path: Path) -> None:
    path = one(tmp_path / "src", annotation(1, 7))
    status, text = path.stat(), path.read_text()
    source = find_source(path)
    (item,) = (item for item in source.items() if isinstance(item, SourceItem))
    start = text.index('{"id": 1, "image_id"')
    for other in ("{]", '"x",'):
        path.write_text(text[:start] + other + text[start + len(other) :])
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        labelled = source.label(item, PhotoSize(30, 40))
        assert labelled is not None
        assert labelled.labels.state is LabelState.DAMAGED


def test_a_file_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = one(tmp_path / "src", annotation(1, 7))
    texts = [path.read_text() + " ", path.read_text()]
    run = file._Scan.run

    def disturbed(scan: Any, reader: Any) -> None:
        run(scan, reader)
        if texts:
            path.write_text(texts.pop())
            os.utime(path, ns=(0, len(texts)))

    monkeypatch.setattr(file._Scan, "run", disturbed)
    with pytest.raises(SourceError, match=r"changed while it was read, twice"):
        find_source(path)
    found = find_source(path)
    assert found.annotations is not None
    assert found.annotations.files[0].size == path.stat().st_size


def test_a_category_that_means_two_things_is_an_error(tmp_path: Path) -> None:
    root = tmp_path / "src"
    files = coco_set(root, 3)
    files["val2017"]["categories"] = [{"id": 18, "name": "cat"}]
    write_json(root, files)
    with pytest.raises(SourceError, match=r"category 18 is 'cat', in .* it is 'dog'"):
        pack(root, tmp_path / "o.lmdb")


def test_compressed_masks_are_read_as_the_library_reads_them() -> None:
    mask = pytest.importorskip("faster_coco_eval.core.mask")
    source = random.Random(4)
    for _ in range(200):
        height, width = source.randrange(1, 40), source.randrange(1, 40)
        pixels = np.zeros((height, width), np.uint8, order="F")
        for _ in range(source.randrange(4)):
            top, left = source.randrange(height), source.randrange(width)
            pixels[top : top + source.randrange(20), left : left + source.randrange(20)] = 1
        encoded = mask.encode(pixels)
        counts = encoded["counts"]
        text = counts.decode() if isinstance(counts, bytes) else counts
        runs = runs_of({"size": [height, width], "counts": text}, (height, width))
        found = np.repeat(np.arange(len(runs)) % 2, runs).reshape(width, height).T
        np.testing.assert_array_equal(found, pixels)
        for end in range(len(text)):  # cut short: refused, or another mask of that size
            try:
                runs_of({"size": [height, width], "counts": text[:end]}, None)
            except LabelError:
                continue
