"""A contact sheet shows photos where their labels are, upright, and says what it cannot show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload.convert import contact_sheet, pack
from fastload.convert.findings import Severity
from fastload.convert.label_drawing import class_colour, legible, load_font
from fastload.errors import PackError
from support.coco import annotation, coco_json, write_json
from support.commands import invoke
from support.trees import image_folder
from support.yolo import turned_photo, yolo_set


def gray_photo(path: Path, height: int, width: int, orientation: int = 1) -> Path:
    """A photo of one gray, so that what is drawn upon it stands out."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (128, 128, 128)).save(path, "JPEG", exif=exif)
    return path


def near(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    """Where the picture has about that colour, [height, width]."""
    return np.abs(np.asarray(image, np.int16) - colour).max(axis=2) < 30


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_boxes_are_drawn_where_the_upright_picture_has_them(
    tmp_path: Path, orientation: int
) -> None:
    root = tmp_path / "src"
    gray_photo(root / "images" / "p.jpg", 100, 200, orientation)
    (root / "labels").mkdir()
    (root / "labels" / "p.txt").write_text("1 0.75 0.5 0.5 1\n")  # the right half
    (root / "classes.txt").write_text("cat\ndog\n")
    pack(root, tmp_path / "out.lmdb")
    found = contact_sheet(tmp_path / "out.lmdb", count=1, cell=200)
    rows, columns = np.nonzero(near(found.image, class_colour(1)))
    height, width = (100, 200) if orientation in (1, 3) else (200, 100)
    left, top = 6 + (200 - width) // 2, 6 + (200 - height) // 2
    assert abs(columns.min() - (left + width // 2)) <= 2
    assert abs(columns.max() - (left + width)) <= 2
    assert abs(rows.min() - top) <= 2
    assert abs(rows.max() - (top + height)) <= 2
    assert found.tally.count(Severity.PROBLEM) == 0


def test_masks_polygons_and_keypoints_are_drawn(tmp_path: Path) -> None:
    root = tmp_path / "src"
    images = [{"id": 1, "file_name": "a.jpg", "height": 100, "width": 100}]
    annotations = [
        annotation(1, 1, bbox=[0, 0, 40, 100], segmentation={"size": [100, 100],
                   "counts": [0, 4000, 6000]}),
        annotation(2, 1, bbox=[50, 50, 50, 50], segmentation=[[50, 50, 100, 50, 100, 100]],
                   category_id=1, keypoints=[60, 20, 2, 90, 20, 0]),
    ]  # fmt: skip
    gray_photo(root / "train2017" / "a.jpg", 100, 100)
    write_json(root, {"train2017": coco_json(images, annotations)})
    pack(root, tmp_path / "out.lmdb")
    sheet = np.asarray(contact_sheet(tmp_path / "out.lmdb", count=1, cell=100).image, np.int16)
    picture = sheet[6:106, 6:106]
    gray = np.abs(picture - 128).max(axis=2) < 12
    assert not gray[50, 20], "the mask tints the left"
    assert not gray[60, 90], "the polygon tints the right above its diagonal"
    assert gray[90, 60], "and not below"
    assert near(Image.fromarray(picture.astype(np.uint8)), class_colour(0))[18:23, 58:63].any()
    assert gray[18:23, 87:93].all(), "a keypoint that is not labelled is not drawn"


def test_a_seed_chooses_the_same_photos(tmp_path: Path) -> None:
    image_folder(tmp_path / "src", classes=2, photos=6)
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    one = contact_sheet(tmp_path / "out.lmdb", count=4, seed=3, cell=64)
    again = contact_sheet(tmp_path / "out.lmdb", count=4, seed=3, cell=64)
    assert one.samples == again.samples == tuple(sorted(set(one.samples)))
    assert one.image.tobytes() == again.image.tobytes()
    assert contact_sheet(tmp_path / "out.lmdb", count=4, seed=4, cell=64).samples != one.samples
    assert contact_sheet(tmp_path / "out.lmdb", count=99, cell=64).samples == tuple(range(12))


def test_a_photo_that_cannot_be_read_is_reported_and_crossed_out(tmp_path: Path) -> None:
    image_folder(tmp_path / "src", classes=1, photos=3)
    store = tmp_path / "out.lmdb"
    pack(tmp_path / "src", store)
    data = bytearray(store.read_bytes())
    data[data.index(b"FLRC") + 200] ^= 1
    store.write_bytes(data)
    text = invoke("inspect", store, "--contact-sheet", tmp_path / "s.png", code=4)
    assert "1 photo could not be drawn" in text
    assert (tmp_path / "s.png").exists()
    found = json.loads(
        invoke("inspect", store, "--contact-sheet", tmp_path / "s.png", "--json", code=4)
    )
    assert found["contact_sheet"]["problems"]["record"]["count"] == 1
    assert len(found["contact_sheet"]["samples"]) == 3


def test_what_is_no_picture_s_name_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    image_folder(tmp_path / "src", classes=1, photos=1)
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    with pytest.raises(PackError, match=r"such as sheet\.png"):
        contact_sheet(tmp_path / "out.lmdb", tmp_path / "sheet.txt")
    for wrong in ({"count": 0}, {"cell": 4}, {"seed": -1}):
        with pytest.raises(ValueError, match="expected"):
            contact_sheet(tmp_path / "out.lmdb", **wrong)


def test_any_name_can_be_written(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yolo_set(root, 2, names=("\u732b\n", "d" * 300))
    turned_photo(root / "images/val" / f"{'long' * 30}\n\u2603.jpg", 40, 80, 6)
    pack(root, tmp_path / "out.lmdb")
    invoke("inspect", tmp_path / "out.lmdb", "--contact-sheet", tmp_path / "s.jpg", "--count", 9)
    with Image.open(tmp_path / "s.jpg") as image:
        assert image.format == "JPEG"
    font = load_font(11)
    text = legible("a" * 500 + "end.jpg", font, 100)
    assert text.startswith("...")
    assert text.endswith("end.jpg")
    assert font.getlength(text) <= 100


def test_of_very_many_objects_the_first_are_drawn(tmp_path: Path) -> None:
    root = tmp_path / "src"
    gray_photo(root / "images" / "p.jpg", 64, 64)
    (root / "labels").mkdir()
    rows = [f"0 0.{n:06} 0.25 0.001 0.001\n" for n in range(1, 250)]
    (root / "labels" / "p.txt").write_text("".join([*rows, "1 0.5 0.75 0.5 0.25\n"]))
    (root / "classes.txt").write_text("cat\ndog\n")
    pack(root, tmp_path / "out.lmdb")
    found = contact_sheet(tmp_path / "out.lmdb", count=1, cell=128)
    assert near(found.image, class_colour(0)).any()
    assert not near(found.image, class_colour(1)).any()
    assert found.tally.count(Severity.PROBLEM) == 0
