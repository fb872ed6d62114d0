"""COCO's figures, as the library and torchmetrics' reference give them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torchmetrics.detection import MeanAveragePrecision

from fastload import BackgroundWorker
from fastload.background import CocoMeanAP, coco_map


def scene(seed: int, images: int = 12) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Random truths of three classes, and detections near most of them, some elsewhere."""
    generator = np.random.default_rng(seed)
    predictions, targets = [], []
    for _ in range(images):
        count = int(generator.integers(0, 6))
        corners = generator.uniform(0, 400, (count, 2))
        boxes = np.concatenate([corners, corners + generator.uniform(5, 150, (count, 2))], axis=1)
        labels = generator.integers(1, 4, count)
        targets.append({"boxes": torch.from_numpy(boxes), "labels": torch.from_numpy(labels)})
        near = boxes + generator.normal(0, 4, boxes.shape)
        stray = np.array([[1.0, 1.0, 60.0, 60.0]])
        found = np.concatenate([near, stray])
        predictions.append(
            {
                "boxes": torch.from_numpy(found),
                "scores": torch.from_numpy(generator.uniform(0, 1, len(found))),
                "labels": torch.from_numpy(np.append(labels, 2)),
            }
        )
    return predictions, targets


def reference(predictions: Any, targets: Any) -> np.ndarray:
    """The library's own way, from dictionaries written out by hand."""

    def rows(entries: Any) -> Any:
        for image, entry in enumerate(entries):
            pairs = zip(entry["boxes"].tolist(), entry["labels"].tolist(), strict=True)
            for (x1, y1, x2, y2), label in pairs:
                yield image, entry, [x1, y1, x2 - x1, y2 - y1], label

    truth = COCO(
        {
            "images": [{"id": image} for image in range(len(targets))],
            "categories": [{"id": label, "name": str(label)} for label in (1, 2, 3)],
            "annotations": [
                {"id": n + 1, "image_id": image, "bbox": box, "category_id": label,
                 "area": box[2] * box[3], "iscrowd": 0}
                for n, (image, _, box, label) in enumerate(rows(targets))
            ],
        }
    )  # fmt: skip
    scores = [score for entry in predictions for score in entry["scores"].tolist()]
    found = [
        {"image_id": image, "bbox": box, "category_id": label, "score": score}
        for (image, _, box, label), score in zip(rows(predictions), scores, strict=True)
    ]
    evaluation = COCOeval_faster(truth, truth.loadRes(found), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return np.asarray(evaluation.stats[:12])


def test_the_figures_are_the_librarys():
    """All twelve, whatever the batches were."""
    predictions, targets = scene(0)
    metric = CocoMeanAP()
    metric.update(predictions[:5], targets[:5])
    metric.update(predictions[5:], targets[5:])
    figures = metric.compute()
    np.testing.assert_allclose(list(figures.values()), reference(predictions, targets))
    assert 0.3 < figures["map"] < 1


def blobs(
    seed: int, sides: list[int], images: int = 8
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Ellipses of so many pixels across, found somewhat moved; boxes twice as wide as they are.

    Some images have none, some targets are crowds or know their areas.
    """
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:160, :200]
    predictions, targets = [], []
    for number in range(images):
        masks, moved, boxes = [], [], []
        for _ in range(number % 4):
            side = int(generator.choice(sides))
            y, x = generator.uniform(10, 150), generator.uniform(10, 190)
            for found, shift in ((masks, 0.0), (moved, side / 12)):
                inside = ((rows - y) / side) ** 2 + ((columns - x - shift) / (side / 2)) ** 2
                found.append(inside <= 0.25)
            boxes.append([x - side / 2, y - side / 2, x + side / 2, y + side / 2])
        count = len(boxes)
        form = {
            "boxes": torch.tensor(boxes).reshape(-1, 4),
            "labels": torch.from_numpy(generator.integers(1, 3, count)),
        }
        truth = {**form, "masks": torch.from_numpy(np.array(masks).reshape(-1, 160, 200))}
        if number % 3 == 0:
            truth["iscrowd"] = torch.arange(count) % 2
        if number % 3 == 1:
            truth["area"] = torch.tensor([40.0**2, 0.0, 10.0])[:count]
            truth["area"][1:2] = 100.0**2
        targets.append(truth)
        found = {**form, "scores": torch.from_numpy(generator.uniform(0, 1, count))}
        found["masks"] = torch.from_numpy(np.array(moved).reshape(-1, 160, 200))
        predictions.append(found)
    return predictions, targets


@pytest.mark.parametrize("iou_type", ["bbox", "segm"])
@pytest.mark.parametrize("sides", [[20, 50, 150], [20], [150]], ids=["all", "small", "large"])
def test_the_figures_are_torchmetrics(iou_type, sides):
    """Whose areas are masks' for masks; with crowds, images without any, sizes that are absent."""
    predictions, targets = blobs(3, sides)
    metric = CocoMeanAP(iou_type)
    metric.update(predictions[:3], targets[:3])
    metric.update(predictions[3:], targets[3:])
    theirs = MeanAveragePrecision(
        iou_type=iou_type,
        backend="faster_coco_eval",
        iou_thresholds=np.linspace(0.5, 0.95, 10).tolist(),  # its own are rounded to float32
        rec_thresholds=np.linspace(0, 1, 101).tolist(),
    )
    theirs.update(predictions, targets)
    expected = {n: float(v) for n, v in theirs.compute().items() if n in coco_map.NAMES}
    assert metric.compute() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("iou_type", "side", "there"),
    [("bbox", 20, "small"), ("segm", 20, "small"), ("bbox", 150, "large"), ("segm", 150, "medium")],
)
def test_nothing_found_is_zero_and_an_absent_size_is_minus_one(iou_type, side, there):
    """As COCO has it; an ellipse of 150 pixels is large by its box, and medium by its mask."""
    predictions, targets = blobs(3, [side])
    metric = CocoMeanAP(iou_type)
    metric.update(
        [{name: values[:0] for name, values in p.items()} for p in predictions],
        [{name: values for name, values in t.items() if name != "area"} for t in targets],
    )
    sizes = {"small", "medium", "large"}
    for name, value in metric.compute().items():
        size = name.split("_")[-1]
        assert value == (-1.0 if size in sizes and size != there else 0.0), name


def test_it_has_what_was_so_when_it_was_told():
    """Whatever is written into the tensors afterwards; they may need gradients."""
    predictions, targets = scene(4)
    for entry in predictions:
        entry["boxes"].requires_grad_()
    metric, other = CocoMeanAP(), CocoMeanAP()
    for one in (metric, other):
        for prediction, target in zip(predictions, targets, strict=True):
            one.update([prediction], [target])
    expected = metric.compute()
    with torch.no_grad():
        for entry in (*predictions, *targets):
            for values in entry.values():
                values.zero_()
    assert other.compute() == expected


@pytest.mark.parametrize("form", ["arrays", "lists", "bfloat16"])
def test_other_forms_of_numbers(form):
    """Arrays and lists; scores of a model that computes in half precision."""
    predictions, targets = scene(5)
    for entry in predictions:
        entry["scores"] = entry["scores"].bfloat16()
    metric, other = CocoMeanAP(), CocoMeanAP()
    metric.update(predictions, targets)
    convert = {
        "arrays": lambda values: values.double().numpy(),
        "lists": lambda values: values.tolist(),
        "bfloat16": lambda values: values.float(),
    }[form]
    other.update(
        [{name: convert(values) for name, values in entry.items()} for entry in predictions],
        [{name: convert(values) for name, values in entry.items()} for entry in targets],
    )
    if form != "bfloat16":  # whose boxes are rounded here
        assert other.compute() == metric.compute()
    assert other.compute() == pytest.approx(metric.compute(), abs=1e-3)


def test_it_runs_in_the_background():
    """As a job."""
    predictions, targets = scene(1)
    metric = CocoMeanAP()
    metric.update(predictions, targets)
    with BackgroundWorker() as work:
        job = work.submit(metric.compute, copy=False)
        assert job.result() == metric.compute()


def test_perfect_and_empty_ones():
    """One and zero; nothing to judge by is -1."""
    _, targets = scene(2)
    metric = CocoMeanAP()
    assert set(metric.compute().values()) == {-1.0}
    metric.update([{**t, "scores": torch.ones(len(t["labels"]))} for t in targets], targets)
    assert metric.compute()["map"] == pytest.approx(1.0)
    metric.reset()
    empty = {"boxes": torch.zeros(0, 4), "scores": torch.zeros(0), "labels": torch.zeros(0).long()}
    metric.update([empty] * len(targets), targets)
    assert metric.compute()["map"] == 0.0


def test_masks_are_compared_where_asked_for():
    """Boxes alike, masks half; as numbers between 0 and 1 with a channel, as torchvision's are."""
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[0, 2:18, 2:18] = True
    half = mask.clone()
    half[0, :, 10:] = False
    base = {"boxes": torch.tensor([[2.0, 2, 18, 18]]), "labels": torch.tensor([1])}
    for iou_type, expected in (("bbox", 1.0), ("segm", 0.0)):
        metric = CocoMeanAP(iou_type)
        found = {**base, "masks": half[:, None] * 0.5, "scores": torch.ones(1)}
        metric.update([found], [{**base, "masks": mask}])
        assert metric.compute()["map_75"] == pytest.approx(expected)


def test_crowds_are_not_counted_against():
    """Detections in a crowd are neither right nor wrong."""
    boxes = torch.tensor([[0.0, 0, 10, 10], [50, 50, 90, 90]])
    truth = {"boxes": boxes, "labels": torch.tensor([1, 1]), "iscrowd": torch.tensor([0, 1])}
    found = {"boxes": boxes, "labels": torch.tensor([1, 1]), "scores": torch.tensor([0.5, 0.9])}
    metric = CocoMeanAP()
    metric.update([found], [truth])
    assert metric.compute()["map"] == pytest.approx(1.0)


def test_arguments_are_checked():
    """In words."""
    with pytest.raises(ValueError, match="iou_type"):
        CocoMeanAP("boxes")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="as many predictions as targets, found 0 and 1"):
        CocoMeanAP().update([], [{}])
    two = {"boxes": torch.zeros(2, 4), "labels": torch.ones(2).long(), "scores": torch.ones(2)}
    with pytest.raises(ValueError, match="found 1 scores and 2 boxes in the batch's image 1"):
        CocoMeanAP().update([two, {**two, "scores": torch.ones(1)}], [two, two])
    masks = torch.zeros(2, 8, 9)
    with pytest.raises(ValueError, match="found 1 masks and 2 boxes"):
        CocoMeanAP("segm").update([{**two, "masks": masks[:1]}], [{**two, "masks": masks}])
    with pytest.raises(ValueError, match=r"\(8, 8\).* and .*\(8, 9\)"):
        CocoMeanAP("segm").update([{**two, "masks": masks[..., 1:]}], [{**two, "masks": masks}])


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    """At once, and not behind an epoch."""
    original = builtins.__import__

    def refuse(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "faster_coco_eval":
            raise ImportError(name)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"pip install 'fastload\[metrics\]'"):
        CocoMeanAP()
