"""``CocoMeanAP``: COCO's mean average precision, by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
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

    ``compute`` has what was collected when it is called; in the background that may be later: use
    a new object for each validation, or wait for the figures before `reset`.

    ``compute`` spends its time in faster-coco-eval's C++ (https://pypi.org/project/faster-coco-eval),
    which implements pycocotools' evaluation.

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
        self._sizes: list[tuple[int, int]] = []  # of each image; (0, 0) without masks
        self._truths: list[dict[str, Any]] = []
        self._found: list[dict[str, Any]] = []

    def update(
        self, predictions: Sequence[Mapping[str, Any]], targets: Sequence[Mapping[str, Any]]
    ) -> None:
        """One batch, in torchvision's detection form; all values are taken to the CPU now.

        Args:
            predictions: a mapping an image: ``boxes`` float [n, 4] (x1, y1, x2, y2, in pixels),
                ``scores`` float [n], ``labels`` int [n], and for "segm" ``masks`` [n, H, W] (bool,
                or float, of which a half or more counts).
            targets: likewise, without scores; ``iscrowd`` [n] and ``area`` [n] where they are
                known.

        Raises:
            ValueError: lengths do not fit.
        """
        if len(predictions) != len(targets):
            raise ValueError(
                f"expected as many predictions as targets, found {len(predictions)} and "
                f"{len(targets)}"
            )
        for prediction, target in zip(predictions, targets, strict=True):
            masks = target["masks"] if self.iou_type == "segm" else np.empty((0, 0, 0))
            self._sizes.append((int(masks.shape[-2]), int(masks.shape[-1])))
            scores = _array(prediction["scores"], np.float64)
            for entry, score in zip(self._entries(prediction), scores, strict=True):
                self._found.append({**entry, "score": float(score)})
            crowds = _array(target.get("iscrowd", np.zeros(len(target["labels"]))), np.int64)
            for entry, crowd in zip(self._entries(target), crowds, strict=True):
                self._truths.append({**entry, "iscrowd": int(crowd), "id": len(self._truths) + 1})

    def compute(self) -> dict[str, float]:
        """COCO's twelve figures by name, from 0 to 1; -1 where there is nothing to judge by.

        ``map``, ``map_50``, ``map_75``, ``map_small``, ``map_medium``, ``map_large``, and recalls
        ``mar_1``, ``mar_10``, ``mar_100``, ``mar_small``, ``mar_medium``, ``mar_large``.
        """
        if not self._truths:
            return dict.fromkeys(NAMES, -1.0)
        if not self._found:  # there is nothing that the library could load
            return dict.fromkeys(NAMES, 0.0)
        library = _library()
        categories = {entry["category_id"] for entry in (*self._truths, *self._found)}
        truth = library.COCO(
            {
                "images": [
                    {"id": number, "height": height, "width": width}
                    for number, (height, width) in enumerate(self._sizes, 1)
                ],
                "annotations": self._truths,
                "categories": [{"id": c, "name": str(c)} for c in sorted(categories)],
            }
        )
        evaluation = library.COCOeval_faster(
            truth, truth.loadRes(self._found), self.iou_type, print_function=lambda *_: None
        )
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
        return {name: float(value) for name, value in zip(NAMES, evaluation.stats, strict=False)}

    def reset(self) -> None:
        """Forget all batches."""
        self._sizes, self._truths, self._found = [], [], []

    def _entries(self, detections: Mapping[str, Any]) -> list[dict[str, Any]]:
        """An image's detections in COCO's form: boxes as x, y, width, height."""
        boxes = _array(detections["boxes"], np.float64).reshape(-1, 4)
        labels = _array(detections["labels"], np.int64)
        sizes = boxes[:, 2:] - boxes[:, :2]
        areas = _array(detections.get("area", sizes.prod(axis=1)), np.float64)
        entries = []
        for row, (box, size, label) in enumerate(zip(boxes, sizes, labels, strict=True)):
            entry: dict[str, Any] = {
                "image_id": len(self._sizes),
                "category_id": int(label),
                "bbox": [float(box[0]), float(box[1]), float(size[0]), float(size[1])],
                "area": float(areas[row]),
            }
            if self.iou_type == "segm":
                entry["segmentation"] = _encoded(detections["masks"][row])
                if "area" not in detections:
                    entry["area"] = float(
                        (_array(detections["masks"][row], np.float64) >= 0.5).sum()
                    )
            entries.append(entry)
        return entries


def _array(values: Any, dtype: Any) -> NDArray[Any]:
    """A tensor of any device, an array or a list as an array."""
    if hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    return np.asarray(values, dtype)


def _encoded(mask: Any) -> Any:
    """A mask [H, W] as COCO's run lengths."""
    from faster_coco_eval import mask as masks

    pixels = _array(mask, np.float64) >= 0.5
    return masks.encode(np.asfortranarray(pixels.astype(np.uint8)))


def _library() -> Any:
    try:
        import faster_coco_eval
    except ImportError as error:
        raise ImportError(
            "CocoMeanAP needs faster-coco-eval: pip install 'fastload[metrics]'"
        ) from error
    return faster_coco_eval
