"""Labels in pixels of a photo, moved into those of the photo at another size."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastload.convert.labelled import PhotoSize
from fastload.store import Objects, SampleLabels
from fastload.store.run_masks import mask_of_runs

__all__ = ["scaled_labels"]


def scaled_labels(labels: SampleLabels, before: PhotoSize, after: PhotoSize) -> SampleLabels:
    """The labels of the same photo at another size; its file stays as it is.

    Args:
        labels: in pixels of a photo of size ``before``.
        before: its size.
        after: its new size, of the same orientation.
    """
    old = before.upright if labels.upright else (before.height, before.width)
    new = after.upright if labels.upright else (after.height, after.width)
    if old == new or not len(labels.objects):
        return labels
    return replace(labels, objects=_scaled(labels.objects, old, new))


def _scaled(objects: Objects, old: tuple[int, int], new: tuple[int, int]) -> Objects:
    ratio = np.array([new[1] / old[1], new[0] / old[0]])  # x, y
    fields = dict(objects.fields)
    if "area" in fields:
        fields["area"] = np.asarray(fields["area"]) * ratio.prod()
    if "keypoints" in fields:
        points = np.array(fields["keypoints"], np.float64)
        points[..., :2] *= ratio
        fields["keypoints"] = points
    masks = objects.masks
    runs = [_scaled_runs(mask, old, new) for mask in masks]
    return replace(
        objects,
        boxes=objects.boxes * np.tile(ratio, 2),
        fields=fields,
        points=objects.points * ratio,
        run_counts=None
        if objects.run_counts is None
        else np.array([len(one) for one in runs], np.uint32),
        runs=np.concatenate([np.empty(0, np.uint32), *runs]),
    )


def _scaled_runs(
    runs: NDArray[np.uint32], old: tuple[int, int], new: tuple[int, int]
) -> NDArray[np.uint32]:
    """A mask's runs at another size: each new pixel is the old one in which its centre lies."""
    if not len(runs) or int(runs.sum(dtype=np.uint64)) != old[0] * old[1]:
        return runs  # none, or of another size than the photo: left as the source has it
    rows, columns = (_centres(one, other) for one, other in zip(old, new, strict=True))
    pixels = mask_of_runs(runs, *old)[np.ix_(rows, columns)].T.ravel()
    changes = np.flatnonzero(np.diff(pixels, prepend=False))
    return np.diff(np.concatenate([[0], changes, [len(pixels)]])).astype(np.uint32)


def _centres(old: int, new: int) -> NDArray[np.intp]:
    """The old pixel of each new one, along an axis."""
    return ((np.arange(new) * 2 + 1) * old // (2 * new)).astype(np.intp)
