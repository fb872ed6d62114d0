"""What is drawn: torchvision's distributions, from nothing but the seed and the position."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as v1

from fastload.errors import FastloadError
from fastload.transforms import lower
from support.pictures import picture
from support.replay import CROP, ERASE, FLIP_H, FLIP_V, GRAY, WINDOW, draw, render

COUNT = 6000
#: Kolmogorov and Smirnov's distance that two samples of COUNT exceed once in 10,000 times.
DISTANCE = 0.041


def rows(transforms: list[Any], size: tuple[int, int], count: int = COUNT, seed: int = 1) -> Any:
    return draw(lower(v1.Compose(transforms)), [size] * count, seed=seed)


def distance(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference between two samples' distribution functions."""
    every = np.concatenate([first, second])
    ranks = [
        np.searchsorted(np.sort(one), every, side="right") / len(one) for one in (first, second)
    ]
    return float(np.abs(ranks[0] - ranks[1]).max())


def boxes_of(get_params: Any, count: int = COUNT) -> np.ndarray:
    torch.manual_seed(0)
    return np.array([get_params()[:4] for _ in range(count)])


@pytest.mark.parametrize("size", [(300, 400), (400, 301), (64, 64)])
@pytest.mark.parametrize(
    ("scale", "ratio"),
    [
        ((0.08, 1.0), (3 / 4, 4 / 3)),
        ((0.3, 0.5), (1.0, 1.0)),
        ((0.5, 1.0), (0.2, 5.0)),
        ((0.0, 0.1), (3 / 4, 4 / 3)),
    ],
)
def test_random_resized_crops_are_distributed_as_torchvisions(
    size: tuple[int, int], scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    transform = v1.RandomResizedCrop(32, scale, ratio)
    image = Image.new("RGB", size[::-1])
    expected = boxes_of(lambda: transform.get_params(image, list(scale), list(ratio)))
    found = rows([transform], size)[:, CROP]
    for what in (
        lambda box: box[:, 2] * box[:, 3],
        lambda box: box[:, 3] / box[:, 2],
        lambda box: box[:, 0],
        lambda box: box[:, 1],
        lambda box: box[:, 1] / np.maximum(1, size[1] - box[:, 3]),
    ):
        assert distance(what(found), what(expected)) < DISTANCE


def test_a_crop_that_ten_tries_do_not_find_is_the_central_one() -> None:
    cases = [
        *itertools.product([(h, 1000) for h in range(1, 12)], [(0.5, 1.5), (0.9, 1.1)]),
        *itertools.product([(1000, w) for w in range(1, 12)], [(2 / 3, 1.5), (0.9, 1.1)]),
    ]
    for size, ratio in cases:
        transform = v1.RandomResizedCrop(8, (0.9, 1.0), ratio)
        expected = transform.get_params(Image.new("RGB", size[::-1]), [0.9, 1.0], list(ratio))
        assert (rows([transform], size, 5)[:, CROP] == expected).all(), (size, ratio)


def test_a_crop_larger_than_the_picture_is_the_whole_picture() -> None:
    transform = v1.RandomResizedCrop(8, (2.0, 3.0), (0.5, 2.0))
    assert (rows([transform], (30, 40), 50)[:, CROP] == (0, 0, 30, 40)).all()


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_flips_and_gray_come_as_often_as_asked(p: float) -> None:
    transforms = [
        v1.CenterCrop(8), v1.RandomHorizontalFlip(p), v1.RandomVerticalFlip(p),
        v1.RandomGrayscale(p),
    ]  # fmt: skip
    found = rows(transforms, (30, 40), 20_000)[:, [FLIP_H, FLIP_V, GRAY]]
    assert np.isin(found, (0, 1)).all()
    assert np.abs(found.mean(axis=0) - p).max() < 0.015 * (0 < p < 1) + 1e-9
    if p == 0.5:  # neither the three nor one picture and the next have to do with each other
        columns = np.concatenate([found[:-1], found[1:]], axis=1)
        correlation = np.corrcoef(columns, rowvar=False) - np.eye(6)
        assert np.abs(correlation).max() < 0.035


def test_random_crops_reach_every_place_equally_often() -> None:
    found = rows([v1.RandomCrop(4)], (9, 7), 24_000)
    tops_and_lefts = found[:, :2] + found[:, WINDOW][:, :2]
    places, counts = np.unique(tops_and_lefts, axis=0, return_counts=True)
    assert len(places) == 6 * 4
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5


@pytest.mark.parametrize("size", [(20, 70), (70, 20), (20, 20), (31, 32)])
def test_padding_where_needed_leaves_every_place_as_torchvision_does(
    size: tuple[int, int],
) -> None:
    found = rows([v1.RandomCrop(32, padding=(1, 2), pad_if_needed=True)], size, 8000)
    for side, (length, padding) in enumerate(zip(size, (2, 1), strict=True)):
        padded = length + 2 * padding
        start = -padding - max(0, 32 - padded)
        stop = length + padding + max(0, 32 - padded) - 32
        places, counts = np.unique(found[:, side] + found[:, 6 + side], return_counts=True)
        assert (places == range(start, stop + 1)).all()
        mean = 8000 / len(places)
        assert np.abs(counts - mean).max() < 5 * mean**0.5 + 1e-9


@pytest.mark.parametrize(
    ("scale", "ratio"), [((0.02, 0.33), (0.3, 3.3)), ((0.5, 1.0), (0.1, 10.0))]
)
def test_erased_rectangles_are_distributed_as_torchvisions(
    scale: tuple[float, float], ratio: tuple[float, float]
) -> None:
    transform = v1.RandomErasing(1.0, scale, ratio)
    image = torch.zeros(3, 40, 50)
    expected = boxes_of(lambda: transform.get_params(image, scale, ratio, [0.0]))
    expected[(expected[:, 2:] == (40, 50)).all(axis=1)] = 0  # what torchvision says for "none"
    found = rows([v1.CenterCrop((40, 50)), v1.ToTensor(), transform], (60, 60))[:, ERASE]
    for column in range(4):
        assert distance(found[:, column], expected[:, column]) < DISTANCE


def test_erasing_comes_as_often_as_asked() -> None:
    found = rows([v1.CenterCrop(40), v1.ToTensor(), v1.RandomErasing(0.25)], (60, 60), 20_000)
    assert abs((found[:, ERASE][:, 2] > 0).mean() - 0.25) < 0.015


RANDOM = [
    v1.RandomResizedCrop(24), v1.RandomHorizontalFlip(), v1.RandomVerticalFlip(), v1.RandomCrop(20),
    v1.RandomGrayscale(0.5), v1.ToTensor(), v1.RandomErasing(),
]  # fmt: skip


def test_a_draw_depends_on_seed_and_position_alone() -> None:
    lowered = lower(v1.Compose(RANDOM))
    sizes = [(50 + n % 7, 60 + n % 5) for n in range(200)]
    whole = draw(lowered, sizes, seed=9)
    again = draw(lower(v1.Compose(RANDOM)), sizes, seed=9)
    assert (whole == again).all()
    for first, last in [(0, 1), (17, 90), (199, 200)]:  # however batches are cut
        part = draw(lowered, sizes[first:last], seed=9, first_position=first)
        assert (part == whole[first:last]).all()
    recipe = lowered.recipe()
    order = np.random.default_rng(0).permutation(200)  # and in whatever order they come
    heights, widths = np.array(sizes, dtype=np.int32)[order].T.copy()
    assert (recipe.draw(9, order.astype(np.int64), heights, widths) == whole[order]).all()


def test_rendering_draws_what_draw_says() -> None:
    lowered = lower(v1.Compose([v1.CenterCrop(20), v1.RandomHorizontalFlip(), v1.PILToTensor()]))
    pixels = picture(30, 40)
    straight = torch.from_numpy(pixels[5:25, 10:30].transpose(2, 0, 1).copy())
    flips = draw(lowered, [(30, 40)] * 16, seed=2)[:, FLIP_H]
    assert set(flips) == {0, 1}
    for position, flip in enumerate(flips):
        found = render(lowered, pixels, seed=2, position=position)
        assert torch.equal(found, straight.flip(-1) if flip else straight)


def test_a_picture_named_twice_is_augmented_twice() -> None:
    found = draw(lower(v1.Compose(RANDOM)), [(300, 400)] * 1000, seed=4)
    assert len(np.unique(found, axis=0)) == 1000


def test_other_seeds_give_other_draws() -> None:
    first, second = (rows(RANDOM, (300, 400), 500, seed) for seed in (0, 1))
    assert (first != second).any(axis=1).all()
    far = draw(lower(v1.Compose(RANDOM)), [(300, 400)] * 9, seed=2**64 - 1, first_position=2**40)
    assert len(np.unique(far, axis=0)) == 9


def test_equal_transforms_in_one_list_draw_on_their_own() -> None:
    flips = [v1.RandomHorizontalFlip(), v1.RandomHorizontalFlip()]
    found = rows([v1.CenterCrop(8), *flips], (30, 40), 20_000)[:, FLIP_H]
    assert abs(found.mean() - 0.5) < 0.015  # together they would never flip


def test_a_random_crop_that_does_not_fit_is_an_error() -> None:
    lowered = lower(v1.Compose([v1.RandomCrop(32), v1.PILToTensor()]))
    with pytest.raises((FastloadError, ValueError), match=r"32 x 32.*31 x 40"):
        render(lowered, picture(31, 40))
