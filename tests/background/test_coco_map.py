"""COCO's figures, as the library and torchmetrics' reference give them."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np
import pytest
import torch
from faster_coco_eval import COCO, COCOeval_faster

from fastload import BackgroundWorker
from fastload.background import CocoMeanAP


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
    """Boxes alike, masks half."""
    mask = torch.zeros(1, 20, 20, dtype=torch.bool)
    mask[0, 2:18, 2:18] = True
    half = mask.clone()
    half[0, :, 10:] = False
    base = {"boxes": torch.tensor([[2.0, 2, 18, 18]]), "labels": torch.tensor([1])}
    for iou_type, expected in (("bbox", 1.0), ("segm", 0.0)):
        metric = CocoMeanAP(iou_type)
        metric.update([{**base, "masks": half, "scores": torch.ones(1)}], [{**base, "masks": mask}])
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
