"""The lowering and the core know the same rules: the core runs whatever it is given."""

from __future__ import annotations

import random
from typing import Any

import pytest
from PIL import Image
from torchvision import transforms as v1
from torchvision.transforms import v2

from fastload.transforms import lower
from support.pictures import picture
from support.reference import PILLOW_IS_SIMD, SIMD_REASON
from support.replay import assert_equal, render

pytestmark = [
    pytest.mark.pillow,
    pytest.mark.exact_pillow,
    pytest.mark.skipif(PILLOW_IS_SIMD, reason=SIMD_REASON),
]

SIDES = [6, 9, 12, 17]
FILLS: list[Any] = [0, 0, 0, 90, (10, 200, 30)]


def any_transform(t: Any, choose: random.Random) -> Any:
    """One without chance, with arguments of any kind; most lists of such run only in part."""
    size = (choose.choice(SIDES), choose.choice(SIDES))
    fill = choose.choice(FILLS)
    return choose.choice(
        [
            lambda: t.Resize(size),
            lambda: t.Resize(size[0]),
            lambda: t.CenterCrop(size),
            lambda: t.CenterCrop(size),
            lambda: t.Pad(choose.choice([0, 1, (2, 3), (0, 1, 2, 3)]), fill=fill),
            lambda: t.Pad(choose.choice([0, 1, (2, 3), (0, 1, 2, 3)]), fill=fill),
            lambda: t.RandomHorizontalFlip(1.0),
            lambda: t.RandomVerticalFlip(1.0),
            lambda: t.Grayscale(choose.choice([1, 3])),
            lambda: t.RandomGrayscale(choose.choice([0.0, 1.0])),
            t.PILToTensor,
            lambda: t.ConvertImageDtype(v1.functional.torch.float32),
        ]
    )()


@pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
@pytest.mark.parametrize("seed", range(8))
def test_any_list_gives_torchvisions_result(seed: int, api: Any) -> None:
    choose = random.Random(seed)
    engine = 0
    for number in range(150):
        transforms = [any_transform(api, choose) for _ in range(choose.randint(1, 6))]
        size = (choose.randint(5, 24), choose.randint(5, 24))
        transform = v1.Compose(transforms)
        lowered = lower(transform, picture_size=choose.choice([None, size]))
        if lowered.kind == "nothing":
            continue
        pixels = picture(*size, seed=number)
        try:
            expected = transform(Image.fromarray(pixels))
        except (TypeError, ValueError, RuntimeError):
            with pytest.raises((TypeError, ValueError, RuntimeError)):
                lowered.finish(lowered.sample(render(lowered, pixels)))
            continue
        found = lowered.finish(lowered.sample(render(lowered, pixels)))
        assert_equal(found, expected, f"{size}:\n{lowered}\n{lowered.ops}")
        engine += 1
    assert engine > 60


@pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
def test_the_core_takes_every_random_list(api: Any) -> None:
    choose = random.Random(5)
    for _ in range(600):
        transforms: list[Any] = []
        for _ in range(choose.randint(1, 6)):
            size = (choose.choice(SIDES), choose.choice(SIDES))
            fill = choose.choice(FILLS)
            make = choose.choice(
                [
                    lambda size=size: api.RandomResizedCrop(size),
                    lambda size=size, fill=fill: api.RandomCrop(
                        size,
                        choose.choice([None, 0, 2, (1, 2)]),
                        choose.choice([True, False]),
                        fill,
                    ),
                    api.RandomHorizontalFlip,
                    api.RandomGrayscale,
                    api.RandomErasing,
                    lambda: any_transform(api, choose),
                    lambda: any_transform(api, choose),
                ]
            )
            transforms.append(make())
        lowered = lower(v1.Compose(transforms), picture_size=choose.choice([None, (20, 14)]))
        if lowered.kind == "nothing":
            continue
        try:
            value = render(lowered, picture(20, 14), position=choose.randint(0, 1000))
        except ValueError as error:
            if "random crop" not in str(error):
                raise
            continue
        assert value.shape[-2:] == (lowered.height, lowered.width) or lowered.kind == "picture"
