"""What the core drew for a sample, done again with torchvision's functions on the PIL image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as v1

from fastload.transforms import Lowered
from support.recipes import FILTERS

#: Fields of a row of `_core.Recipe.draw`.
CROP, RESIZE, WINDOW, FLIP_H, FLIP_V, GRAY, ERASE = (
    slice(0, 4), slice(4, 6), slice(6, 10), 10, 11, 12, slice(13, 17)
)  # fmt: skip

#: Transforms whose effect on pixels `placed` has already had.
PLACING = {
    "RandomResizedCrop", "Resize", "CenterCrop", "RandomCrop", "Pad", "RandomHorizontalFlip",
    "RandomVerticalFlip", "Grayscale", "RandomGrayscale", "RGB",
}  # fmt: skip


def draw(
    lowered: Lowered, sizes: Sequence[tuple[int, int]], *, seed: int = 0, first_position: int = 0
) -> np.ndarray:
    """The core's rows for pictures of these sizes at consecutive positions: int32 [n, 17]."""
    positions = np.arange(first_position, first_position + len(sizes), dtype=np.int64)
    heights, widths = np.array(sizes, dtype=np.int32).reshape(-1, 2).T.copy()
    return np.asarray(lowered.recipe().draw(seed, positions, heights, widths))


def render(lowered: Lowered, pixels: np.ndarray, *, seed: int = 0, position: int = 0) -> Any:
    """What the core makes of uint8 [height, width, 3]: as `Lowered.sample` takes it."""
    if lowered.kind == "picture":
        out = np.zeros((lowered.height, lowered.width, lowered.channels), np.uint8)
        lowered.recipe().render(pixels, seed, position, out.transpose(2, 0, 1))
        return out
    slot = torch.zeros((lowered.channels, lowered.height, lowered.width), dtype=lowered.torch_dtype)
    half = lowered.dtype == "bfloat16"
    array = slot.view(torch.int16).numpy().view(np.uint16) if half else slot.numpy()
    lowered.recipe().render(pixels, seed, position, array)
    return slot


def placed(
    image: Image.Image,
    row: np.ndarray,
    *,
    filter_name: str = "bilinear",
    fill: tuple[int, int, int] = (0, 0, 0),
    gray_channels: int = 3,
    gray_first: bool = False,
) -> Image.Image:
    """Crop, resize, window, flips and gray of a row, by torchvision's functions."""
    values = [int(value) for value in row]
    if values[GRAY] and gray_first:
        image = v1.to_grayscale(image, 3)
    image = v1.crop(image, *values[CROP])
    image = v1.resize(image, values[RESIZE], FILTERS[filter_name])
    top, left, height, width = values[WINDOW]
    margins = [
        max(0, -left), max(0, -top),
        max(0, left + width - image.width), max(0, top + height - image.height),
    ]  # fmt: skip
    image = v1.pad(image, margins, fill)
    image = v1.crop(image, top + margins[1], left + margins[0], height, width)
    if values[FLIP_H]:
        image = v1.hflip(image)
    if values[FLIP_V]:
        image = v1.vflip(image)
    return v1.to_grayscale(image, gray_channels) if values[GRAY] else image


def converted(image: Image.Image, transforms: Sequence[Any], row: np.ndarray) -> Any:
    """The rest of a list behind `placed`: conversions by the objects themselves, and erasing."""
    value: Any = image
    for transform in transforms:
        name = type(transform).__name__
        if name in PLACING:
            continue
        if name != "RandomErasing":
            value = transform(value)
            continue
        top, left, height, width = (int(number) for number in row[ERASE])
        numbers = (
            transform.value if isinstance(transform.value, (list, tuple)) else [transform.value]
        )
        if height > 0:
            colors = torch.tensor([float(number) for number in numbers])[:, None, None]
            value = v1.erase(value, top, left, height, width, colors)
    return value


def assert_equal(found: Any, expected: Any, what: str) -> None:
    """Fail unless both tensors have one type, shape and dtype, and the same bits."""
    assert type(found) is type(expected), f"{what}: {type(found)}, expected {type(expected)}"
    if isinstance(expected, Image.Image):
        assert found.mode == expected.mode, f"{what}: {found.mode}, expected {expected.mode}"
        found, expected = (torch.from_numpy(np.array(image)) for image in (found, expected))
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    assert found.dtype == expected.dtype, f"{what}: {found.dtype}, expected {expected.dtype}"
    differ = found.as_subclass(torch.Tensor) != expected.as_subclass(torch.Tensor)
    if bool(differ.any()):
        first = tuple(differ.nonzero()[0].tolist())
        raise AssertionError(
            f"{what}: {int(differ.sum())} of {differ.numel()} values differ, the first at "
            f"{first}: {found[first]}, expected {expected[first]}"
        )
