"""Segmentation pictures of Pascal VOC: masks of objects, and files that come back as they were."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload import LMDBDataset
from fastload.convert import Finding, Summary, pack, unpack
from fastload.convert.sources.voc.instance_masks import instance_masks
from fastload.store import Store
from fastload.store.run_masks import mask_of_runs
from support.trees import snapshot, write_photo
from support.voc import voc_object, voc_picture, voc_set, voc_xml
from support.yolo import turned_photo


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def picture_of(height: int, width: int, seed: int, objects: int) -> np.ndarray:
    """Pixels of 0, of some objects, and of the border, at random."""
    values = np.array([0, *range(1, objects + 1), 255])
    return np.random.default_rng(seed).choice(values, (height, width))


def one(root: Path, pixels: np.ndarray, *, objects: int = 2, segmented: str = "1") -> Path:
    """A data set of one photo, 30 x 40, with its picture of objects."""
    write_photo(root / "JPEGImages" / "a.jpg", 30, 40)
    (root / "Annotations").mkdir()
    xml = voc_xml(*[voc_object()] * objects, segmented=segmented)
    (root / "Annotations" / "a.xml").write_text(xml)
    voc_picture(root / "SegmentationObject" / "a.png", pixels)
    return root


@pytest.mark.parametrize("size", [(30, 40), (1, 1), (1, 7), (5, 1)])
def test_runs_are_the_pixels_of_each_object(tmp_path: Path, size: tuple[int, int]) -> None:
    for seed in range(20):
        pixels = picture_of(*size, seed, 3)
        voc_picture(tmp_path / "p" / "x.png", pixels)
        masks = instance_masks((tmp_path / "p" / "x.png").read_bytes(), 4, size)
        for number, runs in enumerate(masks, start=1):
            is_there = (pixels == number).any()
            assert bool(len(runs)) == is_there
            if is_there:
                np.testing.assert_array_equal(mask_of_runs(runs, *size), pixels == number)
                assert (runs[1:] > 0).all()


def test_masks_are_read_and_every_file_comes_back(tmp_path: Path) -> None:
    pixels = picture_of(30, 40, 1, 2)
    for top in ("", "VOC2012"):
        root = tmp_path / f"src{top}"
        voc_set(root, 4, top)
        voc_picture(root / top / "SegmentationObject/p02.png", pixels)
        voc_picture(root / top / "SegmentationClass/p02.png", pixels)
        voc_picture(root / top / "SegmentationClass/p03.png", pixels)
        (root / top / "Annotations/p03.xml").unlink()
        (root / top / "ImageSets/Segmentation").mkdir()
        (root / top / "ImageSets/Segmentation/train.txt").write_text("p02\n")
        out = tmp_path / f"o{top}.lmdb"
        summary, _ = packed(root, out)
        assert summary.problems_count == 0
        with Store(out) as store:
            assert store.annotations is not None
            by_name = dict(zip(store.names, range(4), strict=True))
            labels = store.annotations[by_name[f"{top}/JPEGImages/p02.jpg".lstrip("/")]]
            for number, runs in enumerate(labels.objects.masks, start=1):
                np.testing.assert_array_equal(mask_of_runs(runs, 30, 40), pixels == number)
            other = store.annotations[by_name[f"{top}/JPEGImages/p01.jpg".lstrip("/")]]
            assert [len(runs) for runs in other.objects.masks] == [0]
        unpack(out, tmp_path / f"back{top}")
        assert snapshot(tmp_path / f"back{top}") == snapshot(root)


def test_the_data_set_gives_the_masks(tmp_path: Path) -> None:
    pixels = picture_of(30, 40, 4, 2)
    packed(one(tmp_path / "src", pixels), tmp_path / "o.lmdb")
    _, target = LMDBDataset(tmp_path / "o.lmdb", target="tensors", masks=True)[0]
    for number, mask in enumerate(target["masks"].numpy(), start=1):
        np.testing.assert_array_equal(mask, pixels == number)


def test_unpacking_as_voc_gives_the_pictures_back(tmp_path: Path) -> None:
    root = one(tmp_path / "src", picture_of(30, 40, 2, 2))
    packed(root, tmp_path / "o.lmdb")
    report = unpack(tmp_path / "o.lmdb", tmp_path / "back", layout="voc")
    assert not report.lost
    name = "SegmentationObject/a.png"
    assert (tmp_path / "back" / name).read_bytes() == (root / name).read_bytes()
    packed(tmp_path / "back", tmp_path / "again.lmdb")
    with Store(tmp_path / "o.lmdb") as store, Store(tmp_path / "again.lmdb") as other:
        assert store.annotations is not None
        assert other.annotations is not None
        runs, found = store.annotations[0].objects.runs, other.annotations[0].objects.runs
        np.testing.assert_array_equal(found, runs)


def test_a_photo_made_smaller_has_smaller_masks_and_loses_its_picture(tmp_path: Path) -> None:
    root = one(tmp_path / "src", np.ones((30, 40)), objects=1)
    packed(root, tmp_path / "o.lmdb", max_side=20)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations[0].objects.runs.tolist() == [0, 15 * 20]
    report = unpack(tmp_path / "o.lmdb", tmp_path / "back", layout="voc")
    assert report.lost["masks"] == 1
    assert not (tmp_path / "back/SegmentationObject").exists()


DAMAGED = {
    "a third object": "a pixel of object 3, and the XML has 2",
    "another size": "height, width .40, 30.; the photo's objects have .30, 40.",
    "colours": "mode RGB",
    "cut short": "no PNG",
    "no PNG": "no PNG",
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_picture_that_cannot_be_read_costs_the_labels(tmp_path: Path, what: str) -> None:
    pixels = picture_of(30, 40, 3, 2)
    root = one(tmp_path / "src", pixels)
    path = root / "SegmentationObject/a.png"
    if what == "a third object":
        voc_picture(path, np.where(pixels == 255, 3, pixels))
    elif what == "another size":
        voc_picture(path, pixels.T)
    elif what == "colours":
        voc_picture(path, pixels, "RGB")
    elif what == "cut short":
        path.write_bytes(path.read_bytes()[:200])
    else:
        Image.fromarray(pixels.astype(np.uint8)).save(path, "JPEG")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"damaged": 1}
    ((name, detail),) = of_kind(found, "label")
    assert name == "SegmentationObject/a.png"
    with pytest.raises(AssertionError, match=DAMAGED[what]):
        raise AssertionError(detail)
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_a_picture_beside_an_xml_that_says_it_has_none_is_kept_and_not_read(
    tmp_path: Path,
) -> None:
    root = one(tmp_path / "src", np.full((3, 3), 9), segmented="0")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"present": 1}
    assert "segmented is 0" in of_kind(found, "label-remark")[0][1]
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)
    unpack(tmp_path / "o.lmdb", tmp_path / "voc", layout="voc")
    again, _ = packed(tmp_path / "voc", tmp_path / "again.lmdb")
    assert again.contents.labels == {"present": 1}


def test_masks_lie_in_the_picture_in_which_boxes_count(tmp_path: Path) -> None:
    """A photo 40 x 80 that is turned to 80 x 40: its size in the XML says which is meant."""
    for name, size in (("stored", (40, 80)), ("upright", (80, 40))):
        root = one(tmp_path / name, np.ones(size), objects=1)
        (root / "Annotations/a.xml").write_text(voc_xml(voc_object(), size=size))
        turned_photo(root / "JPEGImages/a.jpg", 40, 80, 6)
        summary, _ = packed(root, tmp_path / f"{name}.lmdb")
        assert summary.contents.labels == {"present": 1}


def test_what_is_not_kept_and_what_has_no_photo_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = one(tmp_path / "src", np.ones((30, 40)))
    voc_picture(root / "SegmentationClass/gone.png", np.ones((30, 40)))
    voc_picture(root / "SegmentationClassAug/a.png", np.ones((30, 40)))
    monkeypatch.setattr("fastload.convert.sources.voc.segmentation._MAX_KEPT_BYTES", 10)
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert of_kind(found, "label-without-photo")[0][0] == "SegmentationClass/gone.png"
    assert [name for name, _ in of_kind(found, "not-packed")] == [
        "SegmentationClassAug", "SegmentationClass", "SegmentationObject",
    ]  # fmt: skip
    assert summary.contents.labels == {"present": 1}
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations[0].objects.masks[0].tolist() == [0, 1200]
        assert [file.name for file in store.label_files(0)] == ["Annotations/a.xml"]


def test_a_border_is_no_object_however_many_there_are() -> None:
    png = io.BytesIO()
    pixels = np.array([[0, 1, 255], [255, 254, 0]], np.uint8)
    Image.fromarray(pixels).save(png, "PNG")
    masks = instance_masks(png.getvalue(), 300, (2, 3))
    assert {number: runs.tolist() for number, runs in enumerate(masks, 1) if len(runs)} == {
        1: [2, 1, 3],
        254: [3, 1, 2],
    }
