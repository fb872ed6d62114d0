"""The labels of a sample as a detection target: a dict of tensors, as torchvision's models want."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastload.errors import RecordError
from fastload.store import Objects, SampleLabels
from fastload.store.run_masks import mask_of_runs

__all__ = ["TARGET_FORMS", "collate_detection", "detection_target", "masks_of"]

#: What ``detection_target`` makes.
TARGET_FORMS = ("tv_tensors", "tensors")
#: Masks of one sample that would take more are refused: sizes may come from a hostile store.
MAX_MASK_BYTES = 4 << 30

_TRUTHS = ("difficult", "truncated", "occluded")


def detection_target(
    labels: SampleLabels,
    size: tuple[int, int],
    form: str,
    *,
    image_id: int,
    masks: bool = False,
) -> dict[str, Any]:
    """A sample's target.

    Args:
        labels: of the store.
        size: (height, width) of the image.
        form: "tv_tensors": boxes, masks and keypoints are torchvision's, which its v2 transforms
            move with the image; "tensors": all are plain tensors.
        image_id: for the target.
        masks: also make ``masks``.

    Returns:
        boxes float32 [M, 4] (left, top, right, bottom in pixels), labels int64 [M] (class ids from
        0), image_id (int); where the labels have them: iscrowd int64 [M], area float32 [M],
        annotation_id int64 [M], difficult, truncated, occluded bool [M], keypoints float32
        [M, K, 2] and visibility float32 [M, K]; where asked for, masks bool [M, height, width].

    Raises:
        RecordError: the masks do not fit the image.
        ImportError: torchvision is needed, or what turns polygons into masks.
    """
    objects = labels.objects
    wrap = _wrapper(form, size)
    target: dict[str, Any] = {
        "boxes": wrap("BoundingBoxes", _tensor(objects.boxes, np.float32)),
        "labels": _tensor(objects.class_ids, np.int64),
        "image_id": image_id,
    }
    fields = objects.fields
    if "crowd" in fields:
        target["iscrowd"] = _tensor(fields["crowd"], np.int64)
    if "area" in fields:
        target["area"] = _tensor(fields["area"], np.float32)
    if "id" in fields:
        target["annotation_id"] = _tensor(fields["id"], np.int64)
    for name in _TRUTHS:
        if name in fields:
            target[name] = _tensor(fields[name], np.bool_)
    if "keypoints" in fields:
        points = fields["keypoints"]
        target["keypoints"] = wrap("KeyPoints", _tensor(points[..., :2], np.float32))
        target["visibility"] = _tensor(_visibility(points), np.float32)
    if masks:
        target["masks"] = wrap("Mask", torch.from_numpy(masks_of(objects, *size)))
    return target


def collate_detection(batch: Sequence[tuple[Any, ...]]) -> tuple[tuple[Any, ...], ...]:
    """``(images, targets)`` of a batch of samples: numbers of objects differ, so none is stacked.

    For ``DataLoader(..., collate_fn=fastload.collate_detection)``.
    """
    return tuple(zip(*batch, strict=True))


def masks_of(objects: Objects, height: int, width: int) -> NDArray[np.bool_]:
    """The mask of each object, bool [M, height, width]: its runs, its polygons, or its box.

    Polygons are drawn by faster-coco-eval or pycocotools, as COCO's own tools draw them.

    Raises:
        RecordError: a mask is of another size, or all would take too much memory.
        ImportError: there are polygons, and neither library.
    """
    if len(objects) * height * width > MAX_MASK_BYTES:
        raise RecordError(
            f"masks of {len(objects)} objects, {height} x {width} each, would take more than "
            f"{MAX_MASK_BYTES} bytes; leave masks out for this sample"
        )
    found = np.zeros((len(objects), height, width), np.bool_)
    for mask, runs, rings, box in zip(
        found, objects.masks, objects.polygons, objects.boxes, strict=True
    ):
        if len(runs):
            mask[:] = mask_of_runs(runs, height, width)
        elif rings:
            mask[:] = _from_polygons(rings, height, width)
        else:
            left, top, right, bottom = np.clip(np.rint(box), 0, 1 << 31).astype(np.int64).tolist()
            mask[top:bottom, left:right] = True
    return found


def _from_polygons(
    rings: Sequence[NDArray[np.float64]], height: int, width: int
) -> NDArray[np.bool_]:
    library = _mask_library()
    flat = [ring.ravel().tolist() for ring in rings if len(ring) >= 3]
    if not flat:
        return np.zeros((height, width), np.bool_)
    encoded = library.merge(library.frPyObjects(flat, height, width))
    return np.asarray(library.decode(encoded), np.bool_)


def _mask_library() -> Any:
    for name in ("faster_coco_eval.core.mask", "pycocotools.mask"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ImportError(
        "masks of polygons: expected faster-coco-eval or pycocotools, found neither: "
        "pip install 'fastload[metrics]'"
    )


def _wrapper(form: str, size: tuple[int, int]) -> Any:
    if form == "tensors":
        return lambda _kind, tensor: tensor
    try:
        from torchvision import tv_tensors
    except ImportError as error:
        raise ImportError(
            "detection targets of form 'tv_tensors': expected torchvision: pip install "
            "torchvision, or ask for target='tensors'"
        ) from error

    def wrap(kind: str, tensor: torch.Tensor) -> Any:
        made = getattr(tv_tensors, kind, None)
        if made is None:  # an older torchvision moves no keypoints
            return tensor
        if kind == "Mask":
            return made(tensor)
        options = {"format": "XYXY"} if kind == "BoundingBoxes" else {}
        return made(tensor, canvas_size=size, **options)

    return wrap


def _visibility(points: NDArray[Any]) -> NDArray[Any]:
    """The third number of each keypoint; without one, 0 where a coordinate is negative, else 1."""
    if points.shape[-1] == 3:
        return points[..., 2]
    return np.asarray(np.all(points >= 0, axis=-1))


def _tensor(values: NDArray[Any], dtype: Any) -> torch.Tensor:
    return torch.from_numpy(np.array(values, dtype))  # a copy: the store's memory is read-only
