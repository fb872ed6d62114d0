"""What is left for Python gets what torchvision would have handed it."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

from fastload.transforms import lower
from support.pictures import picture
from support.recipes import MEAN, STD
from support.reference import PILLOW_IS_SIMD, SIMD_REASON
from support.replay import assert_equal, render

pytestmark = [
    pytest.mark.pillow,
    pytest.mark.exact_pillow,
    pytest.mark.skipif(PILLOW_IS_SIMD, reason=SIMD_REASON),
]


def invert(value: Any) -> Any:
    """Works on any tensor; not one of torchvision's."""
    return 255 - value


def as_is(value: Any) -> Any:
    return value


LISTS: dict[str, list[Any]] = {
    "image": [v1.Resize((20, 24)), v1.RandomSolarize(128, 1.0), v1.ToTensor(),
              v1.Normalize(MEAN, STD)],
    "gray image": [v1.Resize((20, 24)), v1.Grayscale(), v1.RandomInvert(1.0), v1.PILToTensor()],
    "image to the end": [v2.CenterCrop(12), as_is],
    "plain tensor": [v1.Resize((20, 24)), v1.PILToTensor(), invert],
    "v2 image": [v2.Resize((20, 24)), v2.ToImage(), as_is, v2.ToDtype(torch.float32, scale=True)],
    "v2 image resized": [v2.CenterCrop(20), v2.ToImage(), v2.Resize((9, 9), antialias=True)],
    "v2 pure tensor": [v2.CenterCrop(20), v2.ToImage(), v2.ToPureTensor(), as_is],
    "v2 image made plain by v1": [v2.CenterCrop(20), v2.ToImage(),
                                  v1.ConvertImageDtype(torch.float32), as_is],
    "float64": [v2.CenterCrop(20), v2.ToImage(), v2.ToDtype(torch.float64, scale=True)],
    "nothing": [as_is, v2.CenterCrop(20)],
    "none at all": [],
}  # fmt: skip


@pytest.mark.parametrize("name", LISTS)
def test_engine_and_tail_together_give_torchvisions_result(name: str) -> None:
    transform = v1.Compose(LISTS[name])
    lowered = lower(transform)
    pixels = picture(33, 41)
    image = Image.fromarray(pixels)
    if lowered.kind == "nothing":
        value: Any = image
        for one in lowered.tail:
            value = one(value)
    else:
        value = lowered.finish(lowered.sample(render(lowered, pixels)))
    assert_equal(value, transform(image), name)


def test_the_tail_gets_the_exact_type() -> None:
    def kind(*transforms: Any) -> type:
        lowered = lower(v1.Compose([v1.CenterCrop(8), *transforms, as_is]))
        return type(lowered.sample(render(lowered, picture(9, 9))))

    assert kind(v2.ToImage()) is tv_tensors.Image
    assert kind(v2.ToImage(), v2.ToDtype(torch.float16, scale=True)) is tv_tensors.Image
    assert kind(v2.ToImage(), v2.RandomErasing(1.0)) is tv_tensors.Image
    assert kind(v2.ToImage(), v2.RandomHorizontalFlip()) is tv_tensors.Image
    assert kind(v2.ToImage(), v2.ToPureTensor()) is torch.Tensor
    assert kind(v2.PILToTensor()) is torch.Tensor
    assert kind(v1.ToTensor()) is torch.Tensor
    assert kind() is Image.Image


@pytest.mark.parametrize("channels", [1, 3])
def test_the_tails_image_has_pixels_of_its_own(channels: int) -> None:
    lowered = lower(v1.Compose([v1.CenterCrop(8), v1.Grayscale(channels), as_is]))
    slot = render(lowered, picture(9, 9))
    image = lowered.sample(slot)
    before = np.array(image)
    slot[:] = 0
    assert (np.array(image) == before).all()
    image.putpixel((0, 0), 77 if channels == 1 else (77, 0, 0))
    assert (slot == 0).all()


@pytest.mark.parametrize(
    "transforms",
    [
        [v1.RandomResizedCrop(8), v1.ToTensor(), v1.RandomErasing()],
        [v2.RandomResizedCrop(8), v2.ToImage(), v2.ToDtype(torch.bfloat16, scale=True), invert],
        [v1.CenterCrop(8), invert],
        [invert],
    ],
)
def test_a_result_pickles(transforms: list[Any]) -> None:
    lowered = lower(v1.Compose(transforms))
    copy = pickle.loads(pickle.dumps(lowered))
    assert str(copy) == str(lowered)
    assert copy.ops == lowered.ops
    assert copy.tensor_type is lowered.tensor_type
    if lowered.kind != "nothing":
        first, second = (render(one, picture(30, 40), position=3) for one in (lowered, copy))
        assert (first == second).all()
