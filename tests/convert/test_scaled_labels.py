"""Labels move with the photo's pixels."""

from __future__ import annotations

import numpy as np
import pytest

from fastload.convert.labelled import PhotoSize
from fastload.convert.scaled_labels import scaled_labels
from fastload.store import LabelState, Objects, SampleLabels
from fastload.store.run_masks import mask_of_runs


def labels_of(objects: Objects, *, upright: bool = True) -> SampleLabels:
    return SampleLabels(LabelState.PRESENT, objects, upright)


def runs_of(mask: np.ndarray) -> np.ndarray:
    """Run by run, the plain way."""
    runs, inside = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != inside:
            runs.append(0)
            inside = pixel
        runs[-1] += 1
    return np.array(runs, np.uint32)


@pytest.mark.parametrize(
    ("orientation", "upright", "expected"),
    [(1, True, [2, 6, 4, 12]), (6, True, [12, 1, 24, 2]), (6, False, [2, 6, 4, 12])],
    ids=["as-stored", "turned", "turned-but-stated-as-stored"],
)
def test_boxes_follow_the_axes_that_they_are_stated_in(
    orientation: int, upright: bool, expected: list[float]
) -> None:
    before, after = PhotoSize(20, 30, orientation), PhotoSize(60, 15, orientation)
    moved = scaled_labels(
        labels_of(Objects.of([0], [[4, 2, 8, 4]]), upright=upright), before, after
    )
    # Stored: x by a half, y by 3. Turned by a quarter, x is the stored photo's y.
    assert moved.objects.boxes.tolist() == [expected]


def test_polygons_keypoints_and_areas_follow() -> None:
    objects = Objects.of(
        [0],
        [[0, 0, 8, 8]],
        fields={"area": [12.0], "keypoints": [[[2.0, 4.0, 2.0]]], "id": [7]},
        polygons=[[[[0, 0], [8, 0], [8, 4]]]],
    )
    moved = scaled_labels(labels_of(objects), PhotoSize(8, 8), PhotoSize(4, 2)).objects
    assert moved.fields["area"].tolist() == [1.5]
    assert moved.fields["keypoints"].tolist() == [[[0.5, 2, 2]]]
    assert moved.fields["id"].tolist() == [7]
    assert moved.polygons[0][0].tolist() == [[0, 0], [2, 0], [2, 2]]


@pytest.mark.parametrize("after", [(5, 7), (20, 3), (13, 17), (1, 1)], ids=str)
def test_masks_take_the_pixel_in_which_each_centre_lies(after: tuple[int, int]) -> None:
    height, width = 13, 17
    rng = np.random.default_rng(3)
    masks = [rng.random((height, width)) < 0.4, np.ones((height, width), bool)]
    objects = Objects.of([0, 1], np.zeros((2, 4)), masks=[runs_of(mask) for mask in masks])
    moved = scaled_labels(labels_of(objects), PhotoSize(height, width), PhotoSize(*after)).objects
    rows = np.floor((np.arange(after[0]) + 0.5) * height / after[0]).astype(int)
    columns = np.floor((np.arange(after[1]) + 0.5) * width / after[1]).astype(int)
    for mask, runs in zip(masks, moved.masks, strict=True):
        expected = mask[np.ix_(rows, columns)]
        assert np.array_equal(mask_of_runs(runs, *after), expected)
        assert np.array_equal(runs, runs_of(expected))


def test_labels_of_a_photo_that_stays_are_the_same_object() -> None:
    labels = labels_of(Objects.of([0], [[0, 0, 1, 1]]))
    assert scaled_labels(labels, PhotoSize(3, 4), PhotoSize(3, 4)) is labels
