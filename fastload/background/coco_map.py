"""``CocoMeanAP``: COCO's mean average precision, by faster-coco-eval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

__all__ = ["CocoMeanAP"]

#: COCO's twelve figures, in the order of its summary.
NAMES = (
    "map", "map_50", "map_75", "map_small", "map_medium", "map_large",
    "mar_1", "mar_10", "mar_100", "mar_small", "mar_medium", "mar_large",
)  # fmt: skip


class CocoMeanAP:
    """Collects detections batch by batch, and computes COCO's figures from all of them.

        metric = CocoMeanAP()
        for images, targets in val_loader:
            metric.update(model(images), targets)
        figures = work.submit(metric.compute, copy=False)   # a BackgroundWorker
        figures.result()["map_50"]

    ``update`` copies a batch's numbers and does nothing else with them. ``compute`` does the rest,
    much of it in faster-coco-eval's C++ (https://pypi.org/project/faster-coco-eval), which
    implements pycocotools' evaluation. It has what was collected when it begins; in the background
    that may be later: use a new object for each validation, or wait for the figures before `reset`.

    Masks are too large to be kept: with "segm", ``update`` turns them into run lengths at once. To
    have that off the training thread as well, submit ``update`` itself, in one stream with
    ``compute``: ``work.submit(metric.update, predictions, targets, stream="map")``.

    Args:
        iou_type: what is compared: "bbox", or "segm" (needs ``masks``).

    Raises:
        ImportError: faster-coco-eval is not installed.
        ValueError: another iou_type.
    """

    def __init__(self, iou_type: Literal["bbox", "segm"] = "bbox") -> None:
        if iou_type not in ("bbox", "segm"):
            raise ValueError(f"expected iou_type to be 'bbox' or 'segm', found {iou_type!r}")
        _library()
        self.iou_type = iou_type
        self._batches: list[tuple[_Batch, _Batch]] = []  # predictions and targets

    def update(
        self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
    ) -> None:
        """One batch, in torchvision's detection form; all values are copied to the CPU now.

        Args:
            predictions: a mapping an image: ``boxes`` float [n, 4] (x1, y1, x2, y2, in pixels),
                ``scores`` float [n], ``labels`` int [n], and for "segm" ``masks`` [n, H, W] or
                [n, 1, H, W] (bool, or numbers of which 0.5 or more counts). Tensors, all of one
                device, or what NumPy makes arrays of.
            targets: likewise, without scores; ``iscrowd`` [n] and ``area`` [n], in pixels, where
                they are known. Other areas, and those of predictions, are the mask's for "segm",
                else the box's.

        Raises:
            ValueError: lengths, or the sizes of an image's masks, do not fit.
        """
        if len(predictions) != len(targets):
            raise ValueError(
                f"expected as many predictions as targets, found {len(predictions)} and "
                f"{len(targets)}"
            )
        if not targets:
            return
        masked = self.iou_type == "segm"
        found = _batch(predictions, ("labels", "scores"), masked)
        truth = _batch(targets, ("labels",), masked)
        if found.sizes != truth.sizes:
            raise ValueError(
                "expected an image's masks to be of the same size in predictions and targets, "
                f"found {found.sizes} and {truth.sizes} (height, width)"
            )
        self._batches.append((found, truth))

    def compute(self) -> dict[str, float]:
        """COCO's twelve figures by name, from 0 to 1; -1 where there is nothing to judge by.

        ``map``, ``map_50``, ``map_75``, ``map_small``, ``map_medium``, ``map_large``, and recalls
        ``mar_1``, ``mar_10``, ``mar_100``, ``mar_small``, ``mar_medium``, ``mar_large``. Those of a
        size are -1 where no target is of that size.
        """
        batches = self._batches.copy()
        images = _images([truth for _, truth in batches])
        found = _annotations([found for found, _ in batches])
        truths = _annotations([truth for _, truth in batches])
        if not truths:
            return dict.fromkeys(NAMES, -1.0)
        classes = sorted({entry["category_id"] for entry in (*truths, *found)})
        categories = [{"id": number, "name": str(number)} for number in classes]
        library = _library()
        # Not by loadRes: it takes no empty results in all versions, and a mask's area from its box.
        both = [
            library.COCO({"images": images, "annotations": annotations, "categories": categories})
            for annotations in (truths, found)
        ]
        evaluation = library.COCOeval_faster(*both, self.iou_type, print_function=lambda *_: None)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return {name: float(value) for name, value in zip(NAMES, evaluation.stats, strict=False)}

    def reset(self) -> None:
        """Forget all batches."""
        self._batches = []


@dataclass(frozen=True)
class _Batch:
    """The detections of a batch's images, one behind the other, as copies on the CPU.

    Attributes:
        counts: how many there are in each image.
        columns: ``boxes``, ``labels`` and so on, all of one length, by name.
        sizes: height and width of each image's masks; none for boxes.
        masks: of each detection, as the library writes run lengths.
    """

    counts: tuple[int, ...]
    columns: dict[str, torch.Tensor]
    sizes: tuple[tuple[int, int], ...] = ()
    masks: tuple[dict[str, Any], ...] = ()

    def entries(self) -> list[dict[str, Any]]:
        """One annotation of COCO's for each: boxes as x, y, width, height."""
        columns = {name: _double(column) for name, column in self.columns.items()}
        corners = columns.pop("boxes")
        sizes = corners[:, 2:] - corners[:, :2]
        areas = _mask_areas(self.masks) if self.masks else sizes.prod(axis=1)
        if "area" in columns:
            areas = np.where(np.isnan(columns["area"]), areas, columns["area"])
        rows = zip(
            np.concatenate([corners[:, :2], sizes], axis=1).tolist(),
            areas.tolist(),
            columns["labels"].astype(np.int64).tolist(),
            columns.get("iscrowd", np.zeros(len(areas))).astype(np.int64).tolist(),
            strict=True,
        )
        entries: list[dict[str, Any]] = [
            {"bbox": box, "area": area, "category_id": label, "iscrowd": crowd}
            for box, area, label, crowd in rows
        ]
        if "scores" in columns:
            for entry, score in zip(entries, columns["scores"].tolist(), strict=True):
                entry["score"] = score
        if self.masks:
            for entry, mask in zip(entries, self.masks, strict=True):
                entry["segmentation"] = mask
        return entries


def _batch(images: Sequence[Mapping[str, Any]], needed: Sequence[str], masked: bool) -> _Batch:
    """Copy what was given; ``needed`` beside boxes, and a target's own where they are known."""
    boxes = [torch.as_tensor(image["boxes"]).detach().reshape(-1, 4) for image in images]
    counts = tuple(len(box) for box in boxes)
    columns = {"boxes": _joined(boxes)}
    for name in needed:
        columns[name] = _joined([image[name] for image in images], counts, name)
    if "scores" not in needed:
        for name, unknown in (("iscrowd", 0.0), ("area", math.nan)):
            if any(name in image for image in images):
                rows = [
                    image.get(name, torch.full((len(box),), unknown, device=box.device))
                    for image, box in zip(images, boxes, strict=True)
                ]
                columns[name] = _joined(rows, counts, name)
    if not masked:
        return _Batch(counts, columns)
    sizes = tuple((int(h), int(w)) for h, w in (image["masks"].shape[-2:] for image in images))
    lengths = [_encoded(image["masks"]) for image in images]
    _check_counts([len(rows) for rows in lengths], counts, "masks")
    return _Batch(counts, columns, sizes, tuple(mask for rows in lengths for mask in rows))


def _joined(values: Sequence[Any], counts: Sequence[int] = (), name: str = "") -> torch.Tensor:
    """A copy of them all, one behind the other, on the CPU."""
    parts = [torch.as_tensor(value).detach() for value in values]
    if name:
        parts = [part.reshape(-1) for part in parts]
        _check_counts([len(part) for part in parts], counts, name)
    # Empty ones are often of another dtype; joined on their device, since each transfer waits.
    return torch.cat([part for part in parts if len(part)] or parts[:1]).cpu()


def _check_counts(found: Sequence[int], expected: Sequence[int], name: str) -> None:
    for number, (length, boxes) in enumerate(zip(found, expected, strict=True)):
        if length != boxes:
            raise ValueError(
                f"expected as many {name} as boxes in each image, found {length} {name} and "
                f"{boxes} boxes in the batch's image {number}"
            )


def _double(column: torch.Tensor) -> NDArray[Any]:
    """Any dtype, also bfloat16, as float64; class ids are exact up to 2**53."""
    return column.double().numpy()


def _encoded(masks: Any) -> list[dict[str, Any]]:
    """Masks [n, H, W] or [n, 1, H, W] as COCO's run lengths, which run down the columns."""
    from faster_coco_eval import mask as library

    pixels = torch.as_tensor(masks).detach()
    pixels = pixels.reshape(len(pixels), *pixels.shape[-2:]) >= 0.5
    down = pixels.transpose(1, 2).contiguous().cpu().numpy()
    lengths: list[dict[str, Any]] = library.encode(down.view(np.uint8).T)
    return lengths


def _mask_areas(masks: Sequence[dict[str, Any]]) -> NDArray[Any]:
    """In pixels."""
    from faster_coco_eval import mask as library

    return np.asarray(library.area(list(masks)), np.float64)


def _annotations(batches: Sequence[_Batch]) -> list[dict[str, Any]]:
    """Numbered from 1, as are their images."""
    entries = [entry for batch in batches for entry in batch.entries()]
    counts = [count for batch in batches for count in batch.counts]
    images = np.repeat(np.arange(1, len(counts) + 1), counts).tolist()
    for number, (entry, image) in enumerate(zip(entries, images, strict=True), 1):
        entry["id"], entry["image_id"] = number, image
    return entries


def _images(batches: Sequence[_Batch]) -> list[dict[str, int]]:
    """Numbered from 1; their sizes where there are masks."""
    sizes = [size for batch in batches for size in batch.sizes or ((0, 0),) * len(batch.counts)]
    return [
        {"id": number, "height": height, "width": width}
        for number, (height, width) in enumerate(sizes, 1)
    ]


def _library() -> Any:
    try:
        import faster_coco_eval
    except ImportError as error:
        raise ImportError(
            "CocoMeanAP needs faster-coco-eval: pip install 'fastload[metrics]'"
        ) from error
    return faster_coco_eval
