"""Lists without chance equal torchvision run on the PIL image, bit for bit and type for type."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
import torch
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

APIS = {"v1": v1, "v2": v2}
SIZES = [(48, 64), (47, 63), (61, 33), (120, 95), (9, 7), (1, 1), (3, 200), (150, 31)]

# Each ends in a fixed size and is followed by PILToTensor; some have the conversion inside.
LISTS: dict[str, Any] = {
    "evaluation": lambda t: [t.Resize(40), t.CenterCrop(32)],
    "evaluation, odd": lambda t: [t.Resize(41), t.CenterCrop((32, 33))],
    "evaluation, padded": lambda t: [t.Resize(20), t.CenterCrop((33, 48))],
    "longer side limited": lambda t: [t.Resize(20, max_size=31), t.CenterCrop((24, 32))],
    "size in a list": lambda t: [t.Resize([20]), t.CenterCrop([18])],
    "both sides": lambda t: [t.Resize((20, 31))],
    "twice to one size": lambda t: [t.Resize((20, 31)), t.Resize((20, 31)), t.CenterCrop((20, 31))],
    "center crop alone": lambda t: [t.CenterCrop((33, 40))],
    "center crops": lambda t: [t.CenterCrop(31), t.CenterCrop(20), t.CenterCrop((7, 20))],
    "flipped": lambda t: [t.Resize((20, 31)), t.RandomHorizontalFlip(1.0)],
    "turned": lambda t: [
        t.Resize((20, 31)), t.RandomHorizontalFlip(1.0), t.RandomVerticalFlip(1)
    ],
    "flipped twice": lambda t: [
        t.Resize((20, 31)), t.RandomHorizontalFlip(1.0), t.RandomHorizontalFlip(1.0)
    ],
    "flipped, then an odd center crop": lambda t: [
        t.Resize((40, 31)), t.RandomHorizontalFlip(1.0), t.RandomVerticalFlip(1.0),
        t.CenterCrop((15, 20)),
    ],
    "flipped, then padded unevenly": lambda t: [
        t.Resize((20, 31)), t.RandomHorizontalFlip(1.0), t.Pad((1, 2, 3, 4), fill=(9, 8, 7))
    ],
    "padded all around": lambda t: [t.Resize((20, 31)), t.Pad(3, fill=100)],
    "padded twice": lambda t: [t.Resize((20, 31)), t.Pad((1, 2)), t.Pad([3, 0, 5, 2])],
    "padded by nothing": lambda t: [t.Resize((20, 31)), t.Pad(0, fill=5), t.Pad(2, fill=6)],
    "padded, then cropped": lambda t: [
        t.Resize((20, 31)), t.Pad(4, fill=(1, 2, 3)), t.CenterCrop((26, 30))
    ],
    "padded, then flipped": lambda t: [
        t.Resize((20, 31)), t.Pad((5, 0, 0, 0), fill=40), t.RandomHorizontalFlip(1.0)
    ],
    "gray in three channels": lambda t: [t.Resize((20, 31)), t.Grayscale(3)],
    "gray in one channel": lambda t: [t.Resize((20, 31)), t.Grayscale()],
    "gray before the resize": lambda t: [t.Grayscale(3), t.Resize((20, 31))],
    "one channel before the resize": lambda t: [t.Grayscale(1), t.Resize(20), t.CenterCrop(18)],
    "gray, then padded": lambda t: [t.Resize((20, 31)), t.Grayscale(), t.Pad(3)],
    "padded in a colour, then gray": lambda t: [
        t.Resize((20, 31)), t.Pad(3, fill=(250, 3, 90)), t.Grayscale(3)
    ],
    "gray, then padded in gray": lambda t: [t.Resize((20, 31)), t.Grayscale(3), t.Pad(3, fill=90)],
    "one channel, then padded in gray": lambda t: [t.Resize((9, 8)), t.Grayscale(), t.Pad(3, 200)],
    "padded in gray, before gray and behind it": lambda t: [
        t.Resize((9, 8)), t.Pad(3, 7), t.Grayscale(), t.Pad(1, 7)
    ],
    "gray again": lambda t: [t.Grayscale(), t.Grayscale(3), t.RandomGrayscale(), t.Resize((9, 9))],
    "never": lambda t: [
        t.Resize((20, 31)), t.RandomHorizontalFlip(0), t.RandomVerticalFlip(0.0),
        t.RandomGrayscale(0.0),
    ],
    "cropped by nothing": lambda t: [
        t.CenterCrop(20), t.RandomCrop(20), t.Pad(0), t.Grayscale(3)
    ],
}  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", LISTS)
def test_a_fixed_list_gives_torchvisions_pixels(name: str, api: str) -> None:
    t, transforms = APIS[api], LISTS[name](APIS[api])
    # torchvision refuses a picture of which max_size leaves nothing
    sizes = [size for size in SIZES if "limited" not in name or max(size) < 31 * min(size)]
    check(t.Compose([*transforms, t.PILToTensor()]), kind="tensor", sizes=sizes)
    check(t.Compose(transforms), kind="picture", sizes=sizes)


def to_float(t: ModuleType) -> list[Any]:
    if t is v1:
        return [v1.ToTensor()]
    return [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]


# The conversion is inside; a size is fixed before or behind it.
CONVERTED: dict[str, Any] = {
    "center crop": lambda t: [t.Resize(30), *to_float(t), t.CenterCrop(20)],
    "center crop that pads": lambda t: [*to_float(t), t.CenterCrop((41, 36))],
    "flips": lambda t: [
        t.Resize((20, 31)), *to_float(t), t.RandomHorizontalFlip(1.0), t.RandomVerticalFlip(1.0)
    ],
    "pad with zero": lambda t: [t.Resize((20, 31)), *to_float(t), t.Pad(2)],
    "pad with one": lambda t: [t.Resize((20, 31)), *to_float(t), t.Pad(2, fill=1)],
    "pad with a byte": lambda t: [t.Resize((20, 31)), t.PILToTensor(), t.Pad((2, 1), fill=77)],
    "pad, then normalize": lambda t: [
        t.Resize((20, 31)), *to_float(t), t.Pad(2, fill=1), t.Normalize([0.4], [0.3])
    ],
    "pad behind a centred normalize": lambda t: [
        t.Resize((20, 31)), *to_float(t), t.Normalize([1.0] * 3, [0.5] * 3), t.Pad(2)
    ],
    "resize to its own size": lambda t: [t.Resize((20, 31)), *to_float(t), t.Resize((20, 31))],
}  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", CONVERTED)
def test_moving_pixels_behind_the_conversion(name: str, api: str) -> None:
    check(APIS[api].Compose(CONVERTED[name](APIS[api])), kind="tensor")


def test_containers_may_be_nested_and_mixed() -> None:
    inner = v2.Compose([v2.CenterCrop(24), v2.RandomHorizontalFlip(1.0)])
    modules = torch.nn.Sequential(v1.Resize((30, 31)), inner)
    check(v1.Compose([modules, v1.Compose([v1.ToTensor()])]), kind="tensor")
    check(v2.Resize((9, 8)), kind="picture")


def test_v2_fills_by_type() -> None:
    from torchvision import tv_tensors

    fills: dict[Any, Any] = {Image.Image: 7, tv_tensors.Image: 9, "others": 1}
    check(v2.Compose([v2.Resize((9, 8)), v2.Pad(2, fill=fills), v2.ToImage()]), kind="tensor")
    check(v2.Compose([v2.Resize((9, 8)), v2.ToImage(), v2.Pad(2, fill=fills)]), kind="tensor")
    check(v2.Compose([v2.Resize((9, 8)), v2.ToImage(), v2.Pad(1, fill=[1, 2, 3])]), kind="tensor")
    check(v2.Compose([v2.Resize((9, 8)), v2.Pad(1, fill=None), v2.ToImage()]), kind="tensor")


def test_one_size_for_all_pictures_lets_short_lists_run() -> None:
    pixels = picture(32, 30)
    for t in APIS.values():
        for transforms in (
            [t.RandomHorizontalFlip(1.0), *to_float(t), t.Normalize([0.5] * 3, [0.2] * 3)],
            [t.Pad(4, fill=9), t.PILToTensor()],
            [t.Grayscale(3), t.Pad(4, fill=90), t.PILToTensor()],
            [t.Pad(4, fill=(90, 90, 90)), t.Grayscale(), t.PILToTensor()],
            [t.Resize(20), t.PILToTensor()],
            [t.Resize(20, max_size=21), t.PILToTensor()],
            [t.CenterCrop(20), t.Pad(3, fill=7), t.PILToTensor()],
            [t.CenterCrop(20), t.Resize(25), t.PILToTensor()],
        ):
            transform = t.Compose(transforms)
            lowered = lower(transform, picture_size=(32, 30))
            assert lowered.whole, str(lowered)
            assert_equal(
                lowered.sample(render(lowered, pixels)),
                transform(Image.fromarray(pixels)),
                str(lowered),
            )


def check(transform: Any, *, kind: str, sizes: list[tuple[int, int]] = SIZES) -> None:
    """Compare the list, which has to run on the engine whole, on pictures of several sizes."""
    lowered = lower(transform)
    assert lowered.kind == kind, str(lowered)
    assert lowered.tail == (), str(lowered)
    for size in sizes:
        pixels = picture(*size, seed=1)
        found = lowered.sample(render(lowered, pixels))
        assert_equal(found, transform(Image.fromarray(pixels)), f"{size}: {lowered.ops}")
