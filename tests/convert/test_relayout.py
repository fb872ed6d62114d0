"""Labels written in another layout say the same, and what the layout cannot hold is counted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from fastload import _core
from fastload.convert import Finding, Severity, UnpackReport, pack, unpack
from fastload.convert.photo import PhotoPacker
from fastload.errors import PackError
from fastload.store import (
    AnnotationHeader,
    LabelState,
    Objects,
    SampleLabels,
    Store,
    StoreWriter,
    WriterHeader,
)
from support.coco import annotation, coco_json, coco_set, write_json
from support.commands import invoke
from support.trees import image_folder, snapshot, write_photo
from support.voc import voc_object, voc_set, voc_xml
from support.yolo import BOXES, rows_text, turned_photo, yolo_set


def repack(store: Path, layout: str) -> tuple[Path, UnpackReport]:
    """The store unpacked in a layout beside it and packed again; and what unpacking said."""
    folder = store.with_name(f"{store.stem}-{layout}")
    report = unpack(store, folder, layout=layout)
    pack(folder, folder.with_suffix(".lmdb"))
    return folder.with_suffix(".lmdb"), report


def packed(root: Path, **choices: Any) -> Path:
    pack(root, root.with_suffix(".lmdb"), **choices)
    return root.with_suffix(".lmdb")


def by_photo(store: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """(split, file name) -> all that the labels say, with classes by name."""
    found = {}
    with Store(store) as opened:
        annotations = opened.annotations
        assert annotations is not None
        for index, name in enumerate(opened.names):
            labels = annotations[index]
            code = int(opened.column("split")[index])
            split = opened.header.split_names[code] if opened.header.split_names else ""
            found[split, name.rsplit("/", 1)[-1]] = {
                "state": labels.state,
                "classes": [opened.header.class_names[c] for c in labels.objects.class_ids],
                "boxes": labels.objects.boxes.tolist(),
                "polygons": [[r.tolist() for r in one] for one in labels.objects.polygons],
                "masks": [runs.tolist() for runs in labels.objects.masks],
                "upright": labels.upright,
                "image_id": labels.image_id,
                **{name: np.asarray(v).tolist() for name, v in labels.objects.fields.items()},
            }
    return found


def labels_of(folder: Path) -> dict[str, bytes]:
    """Label files of a YOLO tree."""
    found = snapshot(folder)
    return {name: found[name][0] for name in sorted(found) if name.endswith(".txt")}


def yolo_boxes(root: Path) -> None:
    yolo_set(root, 6)
    (root / "labels/train/p4.txt").write_text(
        rows_text([[1, 1 / 3, 0.7, 0.1, 2 / 7], [0, 0.9, 0.1, 0.2, 0.3], [1, 0.5, 0.5, 1, 1]])
    )


def yolo_polygons(root: Path) -> None:
    yolo_set(root, 4)
    rows = rows_text([[0, 0.1, 0.2, 1 / 3, 0.9, 0.7, 0.3], [1, 0, 0, 1, 0, 1, 1, 0, 1]])
    for path in (root / "labels").rglob("*.txt"):
        path.write_text(rows if path.name != "p1.txt" else "")


def yolo_pose(root: Path) -> None:
    yolo_set(root, 4)
    with open(root / "data.yaml", "a") as file:
        file.write("kpt_shape: [2, 3]\n")
    rows = rows_text(
        [[0, 0.5, 0.5, 0.2, 0.3, 0.4, 1 / 3, 2, 0.6, 0.7, 1],
         [1, 0.25, 0.25, 0.25, 0.25, 0, 0, 0, 0.125, 0.75, 2]]
    )  # fmt: skip
    for path in (root / "labels").rglob("*.txt"):
        path.write_text(rows if path.name != "p1.txt" else "")


@pytest.mark.parametrize("make", [yolo_boxes, yolo_polygons, yolo_pose])
def test_yolo_comes_back_from_coco_to_the_last_float32(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(tmp_path / "s")
    (tmp_path / "s/labels/val/p0.txt").unlink()  # of p0 and p2 nothing is known
    before = {**labels_of(tmp_path / "s"), "labels/val/p0.txt": b"", "labels/train/p2.txt": b""}
    coco, report = repack(packed(tmp_path / "s"), "coco")
    missing = "photos of which nothing is known: listed as photos without objects"
    assert report.lost[missing] == 2
    unpack(coco, tmp_path / "again", layout="yolo")
    after = labels_of(tmp_path / "again")
    assert after.keys() == before.keys()
    for name, text in before.items():
        old, new = (np.array(t.split(), np.float32) for t in (text, after[name]))
        np.testing.assert_array_equal(new, old, err_msg=name)
    values = yaml.safe_load((tmp_path / "again/dataset.yaml").read_text())
    assert list(values["names"].values()) == ["cat", "dog"]
    assert (values["train"], values["val"]) == ("images/train", "images/val")
    assert values.get("kpt_shape") == ([2, 3] if make is yolo_pose else None)
    photos = {Path(n).name: f[0] for n, f in snapshot(tmp_path / "s").items() if "jpg" in n}
    found = snapshot(tmp_path / "again")
    assert photos == {Path(n).name: f[0] for n, f in found.items() if n.endswith("jpg")}


def rich_coco(root: Path) -> None:
    """Polygons of two parts, a crowd with a mask, keypoints, and a photo without objects."""
    coco_set(root, 6)
    images = [{"id": 7, "file_name": "000001.jpg", "height": 30, "width": 40},
              {"id": 5, "file_name": "000002.jpg", "height": 30, "width": 40},
              {"id": 6, "file_name": "000004.jpg", "height": 30, "width": 40},
              {"id": 9, "file_name": "000005.jpg", "height": 30, "width": 40}]  # fmt: skip
    two = [[1.5, 2, 11, 2, 1.5, 22], [20, 20.25, 30, 20.25, 30, 28]]
    crowd = {"size": [30, 40], "counts": [0, 300, 900]}
    annotations = [
        annotation(70, 7, bbox=[1.5, 2, 28.5, 26], segmentation=two),
        annotation(3, 7, bbox=[0, 0, 10, 30], segmentation=crowd, iscrowd=1, area=300),
        annotation(8, 5, category_id=1, keypoints=[4.5, 6, 2, 30, 20, 1], segmentation=[]),
        annotation(9, 5, bbox=[-2, -1, 50, 40]),
    ]
    write_json(root, {"train2017": coco_json(images, annotations)})


def test_coco_comes_back_from_coco_as_it_was(tmp_path: Path) -> None:
    rich_coco(tmp_path / "s")
    store = packed(tmp_path / "s")
    again, report = repack(store, "coco")
    assert report.lost == {}
    assert by_photo(again) == by_photo(store)
    with Store(store) as old, Store(again) as new:
        assert old.header.class_names == new.header.class_names
        for name in ("category_ids", "keypoint_names", "skeleton", "keypoint_shape"):
            assert getattr(old.header.annotations, name) == getattr(new.header.annotations, name)


def test_what_yolo_cannot_hold_is_counted_and_named(tmp_path: Path) -> None:
    rich_coco(tmp_path / "s")
    found: list[Finding] = []
    store = packed(tmp_path / "s")
    report = unpack(store, tmp_path / "y", layout="yolo", on_finding=found.append)
    assert report.lost == {
        "crowds: left out, as the clients leave them out": 1,
        "polygons": 2,
        "boxes that lie out of the picture: cut": 1,
        "lines of a skeleton": 1,
        "numbers 'area'": 4,
        "numbers 'id'": 4,
    }
    named = {f.name.rsplit("/", 1)[-1]: f for f in found if f.kind == "not-in-yolo" and f.name}
    assert set(named) == {"000001.jpg", "000002.jpg"}
    assert named["000001.jpg"].severity is Severity.NOTE
    assert "crowds (1): left out" in named["000001.jpg"].detail
    assert {f.name for f in found if f.kind == "other-layout"} == {
        "annotations/instances_train2017.json", "annotations/instances_val2017.json"
    }  # fmt: skip
    rows = (tmp_path / "y/labels/train2017/000002.txt").read_text().splitlines()
    assert [row.split()[0] for row in rows] == ["0", "1"]
    assert rows[1].split()[1:5] == ["0.5", "0.5", "1", "1"]
    assert (tmp_path / "y/labels/train2017/000004.txt").read_text() == ""
    assert yaml.safe_load((tmp_path / "y/dataset.yaml").read_text())["train"] == "images/train2017"


def test_polygons_of_several_parts_become_one_and_boxes_become_polygons(tmp_path: Path) -> None:
    write_photo(tmp_path / "s/train2017/x.jpg", 20, 20)
    images = [{"id": 1, "file_name": "x.jpg", "height": 20, "width": 20}]
    rings = [[0, 0, 10, 0, 10, 10, 0, 10], [15, 15, 20, 15, 20, 20]]
    annotations = [
        annotation(1, 1, bbox=[0, 0, 20, 20], segmentation=rings),
        annotation(2, 1, bbox=[5, 5, 10, 10], segmentation=[]),
    ]
    values = coco_json(images, annotations)
    values["categories"] = [{"id": 18, "name": "dog"}]  # without keypoints
    write_json(tmp_path / "s", {"train2017": values})
    store = packed(tmp_path / "s")
    report = unpack(store, tmp_path / "y", layout="yolo")
    assert report.lost["polygons of several parts: joined by lines there and back"] == 1
    assert report.lost["boxes among polygons: written as polygons of their corners"] == 1
    first, second = (tmp_path / "y/labels/train2017/x.txt").read_text().splitlines()
    points = np.array(first.split()[1:], np.float64).reshape(-1, 2)
    x, y = points[:, 0], points[:, 1]
    area = abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2
    assert area == pytest.approx((100 + 12.5) / 400)
    assert second == "0 0.25 0.25 0.75 0.25 0.75 0.75 0.25 0.75"


def test_voc_comes_back_from_voc_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "s"
    voc_set(root, 5)
    flags = "<difficult>1</difficult><truncated>1</truncated><occluded>1</occluded>"
    objects = [voc_object("dog", (2.5, 3, 11.25, 20), flags), voc_object("a & <b>", (1, 1, 40, 30))]
    (root / "Annotations/p01.xml").write_text(
        voc_xml(*(text.replace("a & <b>", "a &amp; &lt;b&gt;") for text in objects))
    )
    (root / "Annotations/p02.xml").unlink()
    store = packed(root)
    again, report = repack(store, "voc")
    assert report.lost == {}
    assert by_photo(again) == by_photo(store)
    with Store(store) as old, Store(again) as new:
        assert old.header.class_names == new.header.class_names


def test_voc_goes_through_coco_with_its_boxes(tmp_path: Path) -> None:
    voc_set(tmp_path / "s", 6)
    coco, report = repack(packed(tmp_path / "s"), "coco")
    assert report.lost == {}
    voc, report = repack(coco, "voc")
    assert report.lost["numbers 'id'"] == len(Store(coco).column("objects.class_id"))
    old, new = by_photo(tmp_path / "s.lmdb"), by_photo(voc)
    assert old.keys() == new.keys()
    for photo, labels in old.items():
        assert new[photo]["boxes"] == labels["boxes"]
        assert new[photo]["classes"] == labels["classes"]
    found = snapshot(tmp_path / "s-coco-voc")
    assert found["ImageSets/Main/val.txt"][0].decode().split() == ["p00", "p04"]


def test_voc_marks_crowds_as_difficult_and_counts_the_rest(tmp_path: Path) -> None:
    rich_coco(tmp_path / "s")
    voc, report = repack(packed(tmp_path / "s"), "voc")
    assert report.lost == {
        "crowds: written as difficult": 1, "polygons": 2, "masks": 1, "objects' keypoints": 4,
        "numbers 'area'": 4, "numbers 'id'": 4, "image ids": 6, "category ids": 2,
    }  # fmt: skip
    assert by_photo(voc)["train", "000001.jpg"]["difficult"] == [0, 1]


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_labels_of_turned_photos_count_in_the_upright_picture(
    orientation: int, tmp_path: Path
) -> None:
    root = tmp_path / "s"
    turned_photo(root / "train2017/t.jpg", 20, 40, orientation)
    image = {"id": 1, "file_name": "t.jpg", "height": 20, "width": 40}
    write_json(root, {"train2017": coco_json([image], [
        annotation(1, 1, bbox=[0, 0, 10, 10], segmentation=[])])})  # fmt: skip
    store = packed(root)
    again, _ = repack(store, "coco")
    assert by_photo(again) == by_photo(store)
    yolo, _ = repack(store, "yolo")
    ((_, labels),) = by_photo(yolo).items()
    # Where the stored picture is as large as the upright one, COCO's size says upright.
    left, top = {3: (0, 0), 6: (10, 0), 7: (10, 30)}[orientation]
    np.testing.assert_allclose(labels["boxes"], [[left, top, left + 10, top + 10]], atol=1e-5)


def test_photos_whose_names_collide_are_renamed(tmp_path: Path) -> None:
    root = tmp_path / "s"
    for name in ("a/p.jpg", "b/p.jpg", "b/p.png"):
        write_photo(root / "images" / name, format_name="PNG" if "png" in name else "JPEG")
        (root / "labels" / name).parent.mkdir(parents=True, exist_ok=True)
    for name in ("a", "b"):
        (root / f"labels/{name}/p.txt").write_text(BOXES)
    (root / "classes.txt").write_text("x\ny\n")
    store = packed(root)
    yolo = unpack(store, tmp_path / "y", layout="yolo")
    assert yolo.lost["photos without a split: they are train's"] == 3
    assert {n for n in snapshot(tmp_path / "y") if n.startswith("images")} == {
        "images/a/p.jpg", "images/b/p.jpg", "images/b/p_2.png"
    }  # fmt: skip
    assert yolo.lost["photos renamed, since two had one label file"] == 1
    unpack(store, tmp_path / "v", layout="voc")
    names = {n for n in snapshot(tmp_path / "v") if n.startswith("JPEG")}
    assert names == {"JPEGImages/a_p.jpg", "JPEGImages/b_p.jpg", "JPEGImages/images_b_p.png"}
    again, _ = repack(store, "coco")
    with Store(again) as opened:
        assert sorted(opened.names) == ["a/p.jpg", "b/p.jpg", "b/p_2.png"]
        assert opened.header.split_names == ()


def test_damaged_labels_are_a_problem_and_the_photo_is_written(tmp_path: Path) -> None:
    yolo_set(tmp_path / "s", 3)
    (tmp_path / "s/labels/val/p0.txt").write_text("0 nan 1 1 1\n")
    store = packed(tmp_path / "s")
    for layout in ("yolo", "coco", "voc"):
        found: list[Finding] = []
        report = unpack(store, tmp_path / layout, layout=layout, on_finding=found.append)
        assert report.problems_count == 1
        assert [f.name for f in found if f.kind == "damaged-labels"] == ["images/val/p0.jpg"]
        assert any(name.endswith("p0.jpg") for name in snapshot(tmp_path / layout))
        assert not any(name.endswith(("p0.txt", "p0.xml")) for name in snapshot(tmp_path / layout))


def test_an_interrupted_run_is_simply_run_again(tmp_path: Path) -> None:
    voc_set(tmp_path / "s", 3)
    store = packed(tmp_path / "s")
    for layout in ("yolo", "coco", "voc"):
        first = unpack(store, tmp_path / layout, layout=layout)
        assert unpack(store, tmp_path / layout, layout=layout).unchanged == first.files


def test_names_of_a_hostile_store_lead_nowhere(tmp_path: Path) -> None:
    photo = PhotoPacker().pack(write_photo(tmp_path / "p.jpg").read_bytes())
    header = WriterHeader(
        class_names=("a\0\n<b>", "a"),
        split_names=("../../up", "ok"),
        annotations=AnnotationHeader("x"),
    )
    with StoreWriter(tmp_path / "bad.lmdb", header) as writer:
        for number, name in enumerate(["../out.jpg", "/abs.jpg", "a/u.jpg"]):
            objects = Objects.of([0, 2**31 - 1], [[0, 0, 5, 5], [-1e300, 0, 1e300, 1e-300]])
            writer.append(
                photo.record, name=name, split=number % 2, content_hash=photo.content_hash,
                source_mode=0o644, format="JPEG", labels=SampleLabels(LabelState.PRESENT, objects),
            )  # fmt: skip
        writer.commit(3)
        writer.publish()
    inside = tmp_path / "deep" / "er"
    for layout in ("yolo", "coco", "voc"):
        report = unpack(tmp_path / "bad.lmdb", inside / layout, layout=layout)
        assert report.problems_count > 0 or layout == "voc"
        assert report.lost
        if layout == "coco":
            for path in (inside / "coco/annotations").glob("*.json"):
                json.loads(path.read_text())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.lmdb", "deep", "p.jpg"]
    assert sorted(p.name for p in (tmp_path / "deep").iterdir()) == ["er"]
    assert not Path("/abs.jpg").exists()
    assert _core.xxh3_128((tmp_path / "p.jpg").read_bytes()) == photo.content_hash


def test_a_store_without_labels_of_objects_is_refused(tmp_path: Path) -> None:
    image_folder(tmp_path / "s", classes=1, photos=1)
    store = packed(tmp_path / "s")
    with pytest.raises(PackError, match="without labels of objects"):
        unpack(store, tmp_path / "y", layout="yolo")
    with pytest.raises(ValueError, match="expected one of"):
        unpack(store, tmp_path / "y", layout="cvat")


def test_the_command_says_what_is_lost(tmp_path: Path) -> None:
    rich_coco(tmp_path / "s")
    store = packed(tmp_path / "s")
    text = invoke("unpack", store, tmp_path / "y", "--layout", "yolo")
    assert "What yolo cannot hold:" in text
    assert "crowds (1): left out" in text
    found = json.loads(invoke("unpack", store, tmp_path / "v", "--layout", "voc", "--json"))
    assert (found["layout"], found["lost"]["masks"]) == ("voc", 1)
    assert found["notes"]["not-in-voc"]["count"] > 0
