"""Labels as detection targets: torchvision's form, its transforms, and what the loader makes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import tv_tensors
from torchvision.transforms import v2

from fastload import DataLoader, LMDBDataset, RecordError, collate_detection
from fastload.convert import pack
from fastload.detection import masks_of
from fastload.store import Objects
from support.yolo import turned_photo, yolo_set


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("yolo") / "src"
    yolo_set(root, 6)
    (root / "labels/train/p4.txt").write_text("no label")
    turned_photo(root / "images/val/p0.jpg", 40, 80, 6)
    return root


@pytest.fixture(scope="module")
def store(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "yolo.lmdb"
    pack(source, path)
    return path


def test_targets_are_those_of_the_label_files(store: Path, source: Path) -> None:
    dataset = LMDBDataset(store, split="val")
    assert dataset.target == "tv_tensors"
    image, target = dataset[1]
    with Image.open(source / "images/val/p3.jpg") as expected:
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected.convert("RGB")))
    assert isinstance(target["boxes"], tv_tensors.BoundingBoxes)
    assert target["boxes"].dtype == torch.float32
    assert target["boxes"].canvas_size == (43, 64)
    assert target["boxes"].tolist() == [[24.0, 10.75, 40.0, 32.25], [12.0, 26.875, 20.0, 37.625]]
    assert target["labels"].tolist() == [0, 1]
    assert target["labels"].dtype == torch.int64
    assert target["image_id"] == 5


def test_images_are_turned_where_their_labels_count_so(store: Path, source: Path) -> None:
    image, target = LMDBDataset(store, split="val")[0]
    with Image.open(source / "images/val/p0.jpg") as photo:
        expected = ImageOps.exif_transpose(photo).convert("RGB")
    assert image.size == expected.size == (40, 80)
    np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
    assert target["boxes"].canvas_size == (80, 40)
    assert LMDBDataset(store, split="val", target="class")[0][0].size == (80, 40)


def test_photos_with_damaged_labels_are_left_out_and_the_others_stay(store: Path) -> None:
    dataset = LMDBDataset(store)
    assert len(dataset) == 5
    assert len(LMDBDataset(store, target="class")) == 6
    names = [dataset.store.names[i] for i in dataset.store_indices.tolist()]
    assert "images/train/p4.jpg" not in names
    assert [len(target["labels"]) for _, target in dataset] == [0, 0, 2, 2, 2]
    assert dataset[0][1]["boxes"].shape == (0, 4)


def test_v2_transforms_move_boxes_with_the_image(store: Path) -> None:
    transforms = v2.Compose(
        [v2.ToImage(), v2.RandomHorizontalFlip(1), v2.Resize((86, 128)), v2.ToDtype(torch.float32)]
    )
    image, target = LMDBDataset(store, split="val", transforms=transforms)[1]
    assert image.shape == (3, 86, 128)
    assert target["boxes"].tolist() == [[48.0, 21.5, 80.0, 64.5], [88.0, 53.75, 104.0, 75.25]]


def test_plain_tensors_are_the_same_numbers(store: Path) -> None:
    wrapped, plain = LMDBDataset(store), LMDBDataset(store, target="tensors")
    for (_, one), (_, other) in zip(wrapped, plain, strict=True):
        assert one.keys() == other.keys()
        assert type(other["boxes"]) is torch.Tensor
        assert torch.equal(one["boxes"].as_subclass(torch.Tensor), other["boxes"])


def test_transform_and_target_transform_still_apply(store: Path) -> None:
    dataset = LMDBDataset(store, lambda image: image.size, lambda target: target["labels"].sum())
    assert dataset[4] == ((64, 43), torch.tensor(1))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target": "boxes"}, "expected auto, class"),
        ({"transforms": len, "transform": len}, "found both"),
    ],
)
def test_arguments_that_cannot_be_are_refused(
    store: Path, options: dict[str, object], match: str
) -> None:
    with pytest.raises(ValueError, match=match):
        LMDBDataset(store, **options)


def test_a_store_without_labels_has_no_targets(photo_store: Path) -> None:
    assert LMDBDataset(photo_store).target == "class"
    with pytest.raises(ValueError, match="no labels of objects"):
        LMDBDataset(photo_store, target="tensors")


def test_a_pickled_data_set_gives_the_same(store: Path) -> None:
    dataset = LMDBDataset(store, split="train", masks=True)
    again = pickle.loads(pickle.dumps(dataset))
    assert len(again) == len(dataset) == 3
    assert torch.equal(again[2][1]["masks"], dataset[2][1]["masks"])


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_what_the_data_set_gives(store: Path, workers: int) -> None:
    """On torch's own path: the engine makes no targets and turns no images."""
    transform = v2.Compose([v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    dataset = LMDBDataset(store, transforms=transform)
    loader = DataLoader(dataset, 2, num_workers=workers, collate_fn=collate_detection)
    assert loader.plan().path == "workers"
    assert "in Python" in loader.plan().reason
    found = [pair for images, targets in loader for pair in zip(images, targets, strict=True)]
    assert len(found) == len(dataset)
    for (image, target), (expected, expected_target) in zip(found, dataset, strict=True):
        assert torch.equal(image, expected)
        assert torch.equal(target["boxes"], expected_target["boxes"])


def test_classes_of_a_labelled_store_may_still_run_on_the_engine(store: Path) -> None:
    transform = v2.Compose([v2.Resize((32, 32)), v2.PILToTensor()])
    assert DataLoader(LMDBDataset(store, transform, target="class"), 2).plan().path != "workers"
    joint = LMDBDataset(store, transforms=lambda *pair: pair, target="class")
    assert DataLoader(joint, 2).plan().path == "workers"


def test_masks_of_runs_polygons_and_boxes() -> None:
    mask = pytest.importorskip("faster_coco_eval.core.mask")
    height, width = 30, 40
    ring = [[3.5, 2.0], [30.25, 4.0], [20.0, 27.5]]
    drawn = np.asarray(
        mask.decode(mask.merge(mask.frPyObjects([np.ravel(ring).tolist()], height, width))), bool
    )
    flat = drawn.T.ravel()
    edges = np.flatnonzero(np.diff(flat.astype(np.int8))) + 1
    runs = np.diff([0, *edges.tolist(), flat.size])
    runs = runs if not flat[0] else np.concatenate([[0], runs])
    objects = Objects.of(
        [0, 0, 0, 0],
        [[0, 0, 1, 1], [0, 0, 1, 1], [1.6, 2.2, 9, 30.4], [-5, -5, 100, 2]],
        polygons=[[], [ring, [[0, 0], [1, 1]]], [], []],
        masks=[runs, [], [], []],
    )
    found = masks_of(objects, height, width)
    np.testing.assert_array_equal(found[0], drawn)
    np.testing.assert_array_equal(found[1], drawn)
    expected = np.zeros((height, width), bool)
    expected[2:30, 2:9] = True
    np.testing.assert_array_equal(found[2], expected)
    assert found[3, :2].all()
    assert not found[3, 2:].any()


def test_masks_that_do_not_fit_the_image_are_refused() -> None:
    objects = Objects.of([0], [[0, 0, 1, 1]], masks=[[5, 2**32 - 1]])
    with pytest.raises(RecordError, match="expected 30 x 40"):
        masks_of(objects, 30, 40)
    many = Objects.of(np.zeros(1000), np.zeros((1000, 4)))
    with pytest.raises(RecordError, match="would take more"):
        masks_of(many, 10_000, 10_000)
