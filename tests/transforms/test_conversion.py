"""The tables equal torchvision's conversions of whole pictures, in every dtype; so do the types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms as v1
from torchvision import tv_tensors
from torchvision.transforms import v2

from fastload.transforms import Lowered, lower
from support.pictures import picture
from support.recipes import MEAN, STD
from support.replay import assert_equal, render

SIZE = (67, 93)  # odd, so that torch's kernels also run what is left beside their vectors

DTYPES = [torch.uint8, torch.float32, torch.float16, torch.bfloat16]

CONVERSIONS: dict[str, Callable[[torch.dtype], list[Any]]] = {
    "v1 ConvertImageDtype": lambda dtype: [v1.PILToTensor(), v1.ConvertImageDtype(dtype)],
    "v1 ToTensor, ConvertImageDtype": lambda dtype: [v1.ToTensor(), v1.ConvertImageDtype(dtype)],
    "v2 ToDtype": lambda dtype: [v2.ToImage(), v2.ToDtype(dtype, scale=True)],
    "v2 ToDtype, unscaled": lambda dtype: [v2.ToImage(), v2.ToDtype(dtype)],
    "v2 ToDtype of a plain tensor": lambda dtype: [
        v2.PILToTensor(), v2.ToDtype(dtype, scale=True)
    ],
    "v2 ToDtype by type": lambda dtype: [
        v2.ToImage(), v2.ToDtype({tv_tensors.Image: dtype, "others": None}, scale=True)
    ],
    "v2 ConvertImageDtype": lambda dtype: [v2.ToImage(), v2.ConvertImageDtype(dtype)],
    "v2 there and back": lambda dtype: [
        v2.ToImage(), v2.ToDtype(torch.float64, scale=True), v2.ToDtype(torch.int32),
        v2.ToDtype(dtype),
    ],
    "v2 ToPureTensor": lambda dtype: [
        v2.ToImage(), v2.ToPureTensor(), v2.ToDtype(dtype, scale=True)
    ],
    "mixed": lambda dtype: [v2.ToImage(), v1.ConvertImageDtype(dtype)],
}  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_gives_torchvisions_values(name: str, dtype: torch.dtype) -> None:
    assert lowered_and_checked(CONVERSIONS[name](dtype)).torch_dtype == dtype


@pytest.mark.parametrize("dtype", DTYPES[1:], ids=str)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("normalize", [v1.Normalize, v2.Normalize])
@pytest.mark.parametrize(("mean", "std"), [(MEAN, STD), ([0.5], [0.1]), ((0.0,) * 3, (1.0,) * 3)])
def test_normalize_in_every_dtype(
    mean: Any, std: Any, normalize: Any, inplace: bool, dtype: torch.dtype
) -> None:
    last = normalize(mean, std, inplace)
    for name in ("v1 ConvertImageDtype", "v2 ToDtype", "v2 ToDtype, unscaled"):
        lowered_and_checked([*CONVERSIONS[name](dtype), last])
        lowered_and_checked([*CONVERSIONS[name](dtype), last, normalize([0.1] * 3, [3] * 3)])


def test_the_arguments_of_normalize_may_be_arrays_and_tensors() -> None:
    for mean in (torch.tensor(MEAN), torch.tensor(MEAN, dtype=torch.float64), np.array(MEAN)):
        lowered_and_checked([v1.ToTensor(), v1.Normalize(mean, STD)])
        lowered_and_checked([v1.ToTensor(), v2.Normalize(mean, STD)])


def test_gray_pictures_normalized_by_three_means_have_three_channels() -> None:
    gray = [v2.Grayscale(), v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    assert lowered_and_checked(gray).channels == 1
    assert lowered_and_checked([*gray, v2.Normalize(MEAN, STD)]).channels == 3


def test_v2_makes_three_channels_of_one() -> None:
    if not hasattr(v2, "RGB"):
        pytest.skip("this torchvision has no RGB")
    assert lowered_and_checked([v2.Grayscale(), v2.RGB(), v1.ToTensor()]).channels == 3
    assert lowered_and_checked([v2.RGB(), v1.PILToTensor()]).channels == 3


@pytest.mark.filterwarnings("ignore:The transform `ToTensor")
def test_v2_conversions_that_leave_pil_images_alone() -> None:
    idle = [v2.ToDtype(torch.float32, scale=True), v2.ToPureTensor(), v2.Identity()]
    lowered = lowered_and_checked([*idle, v2.ToTensor(), v2.ToTensor(), v2.PILToTensor()])
    assert lowered.dtype == "float32"
    assert "leaves a PIL image as it is" in lowered.steps[1].why


def test_a_default_dtype_of_torch_counts() -> None:
    transform = v1.Compose([v1.Resize((8, 8)), v1.ToTensor()])
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert lower(transform).kind == "picture"  # the engine makes no float64
    finally:
        torch.set_default_dtype(before)
    assert lower(transform).dtype == "float32"


@pytest.mark.parametrize("target", DTYPES, ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_cast_gives_what_the_tensors_own_method_gives(
    dtype: torch.dtype, target: torch.dtype
) -> None:
    if target == torch.uint8 and dtype != torch.uint8:
        normalized = []  # negative numbers have no defined byte
    else:
        normalized = [v1.Normalize(MEAN, STD)] if dtype.is_floating_point else []
    erase = v1.RandomErasing(1.0, value=0.3 if dtype.is_floating_point else 30)
    for tail in (normalized, [*normalized, erase]):
        transform = v1.Compose([v1.CenterCrop(20), v1.PILToTensor(), v1.ConvertImageDtype(dtype),
                                *tail])  # fmt: skip
        lowered, pixels = lower(transform), picture(30, 31)
        plain = lowered.sample(render(lowered, pixels))
        found = lowered.cast(target)
        assert_equal(found.sample(render(found, pixels)), plain.to(target), f"{dtype}, {target}")


def test_cast_needs_the_final_tensors() -> None:
    with pytest.raises(ValueError, match=r"run in Python: \['ColorJitter"):
        lower(v1.Compose([v1.CenterCrop(8), v1.ToTensor(), v1.ColorJitter()])).cast(torch.float16)
    with pytest.raises(ValueError, match="found float64"):
        lower(v1.Compose([v1.CenterCrop(8), v1.ToTensor()])).cast(torch.float64)


def lowered_and_checked(conversions: list[Any]) -> Lowered:
    """Lower them behind a crop, and compare with torchvision on a picture."""
    transform = v1.Compose([v1.CenterCrop(SIZE), *conversions])
    lowered = lower(transform)
    assert lowered.whole, str(lowered)
    pixels = picture(*SIZE)
    pixels[:8, :32] = np.arange(256, dtype=np.uint8).reshape(8, 32, 1)
    found = lowered.sample(render(lowered, pixels))
    assert_equal(found, transform(Image.fromarray(pixels)), str(lowered))
    return lowered
