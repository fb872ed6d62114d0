"""Lists with random transforms equal torchvision, given the parameters that the core drew."""

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
from support.recipes import FILTERS, MEAN, STD
from support.reference import PILLOW_IS_SIMD, SIMD_REASON
from support.replay import assert_equal, converted, draw, placed, render

pytestmark = [
    pytest.mark.pillow,
    pytest.mark.exact_pillow,
    pytest.mark.skipif(PILLOW_IS_SIMD, reason=SIMD_REASON),
]

APIS = {"v1": v1, "v2": v2}
SIZES = [(48, 64), (61, 33), (120, 95), (9, 7), (1, 1), (200, 31)]
GRAY_MEAN, GRAY_STD = [0.4], [0.2]


def to_float(api: ModuleType, *, normalize: bool = True) -> list[Any]:
    """The conversion that users of each API write."""
    if api is v1:
        found: list[Any] = [v1.ToTensor()]
    else:
        found = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True)]
    return [*found, api.Normalize(MEAN, STD)] if normalize else found


# name -> (list for an API, what `placed` has to know)
LISTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "imagenet": (
        lambda t: [t.RandomResizedCrop(32), t.RandomHorizontalFlip(), *to_float(t)],
        {},
    ),
    "narrow crops": (
        lambda t: [t.RandomResizedCrop((24, 40), (0.01, 0.2), (0.1, 9.0)), *to_float(t)],
        {},
    ),
    "crops of any size": (
        lambda t: [t.RandomResizedCrop((24, 40), (0.0, 1.0)), *to_float(t)],
        {},
    ),
    "crops of nothing": (
        lambda t: [t.RandomResizedCrop((24, 40), (0.0, 0.0)), *to_float(t)],
        {},
    ),
    "both flips": (
        lambda t: [
            t.RandomResizedCrop(24), t.RandomHorizontalFlip(0.4), t.RandomVerticalFlip(0.6),
            *to_float(t, normalize=False),
        ],
        {},
    ),
    "cifar": (
        lambda t: [t.RandomCrop(32, padding=4, pad_if_needed=True), t.RandomHorizontalFlip(),
                   *to_float(t)],
        {},
    ),
    "padded in a colour": (
        lambda t: [t.RandomCrop((40, 36), padding=(3, 5, 7, 1), pad_if_needed=True,
                                fill=(200, 10, 90)), t.PILToTensor()],
        {"fill": (200, 10, 90)},
    ),
    "flipped, then cropped": (
        lambda t: [t.Resize((40, 50)), t.RandomHorizontalFlip(), t.RandomVerticalFlip(),
                   t.RandomCrop(32), *to_float(t)],
        {},
    ),
    "resized, then cropped": (
        lambda t: [t.Resize(40), t.RandomCrop(32), t.RandomHorizontalFlip(), *to_float(t)],
        {},
    ),
    "cropped, then resized": (
        lambda t: [t.RandomCrop((7, 5)), t.Resize((12, 13)), *to_float(t)],
        {},
    ),
    "cropped twice": (
        lambda t: [t.RandomCrop((9, 7)), t.RandomResizedCrop(12), t.RandomCrop(8), *to_float(t)],
        {},
    ),
    "sometimes gray": (
        lambda t: [t.RandomResizedCrop(24), t.RandomGrayscale(0.5), *to_float(t)],
        {},
    ),
    "sometimes gray before the resize": (
        lambda t: [t.RandomGrayscale(0.5), t.RandomResizedCrop(24), *to_float(t)],
        {"gray_first": True},
    ),
    "sometimes gray, and padded in gray": (
        lambda t: [t.RandomGrayscale(0.5), t.RandomCrop(32, 4, True, fill=77), *to_float(t)],
        {"fill": (77, 77, 77)},
    ),
    "one channel": (
        lambda t: [t.RandomResizedCrop(24), t.Grayscale(), *to_float(t, normalize=False),
                   t.Normalize(GRAY_MEAN, GRAY_STD)],
        {"gray_channels": 1},
    ),
    "erased": (
        lambda t: [t.RandomResizedCrop(24), *to_float(t), t.RandomErasing(0.7)],
        {},
    ),
    "erased in a colour": (
        lambda t: [t.RandomResizedCrop(24), *to_float(t),
                   t.RandomErasing(0.9, (0.1, 0.5), value=(0.25, -1.5, 3))],
        {},
    ),
    "erased, then normalized": (
        lambda t: [t.RandomResizedCrop(24), *to_float(t, normalize=False),
                   t.RandomErasing(0.9, value=0.3), t.Normalize(MEAN, STD)],
        {},
    ),
    "bytes erased": (
        lambda t: [t.RandomResizedCrop(24), t.PILToTensor(), t.RandomErasing(0.9, value=77),
                   t.ConvertImageDtype(torch.float32)],
        {},
    ),
    "flipped behind the conversion": (
        lambda t: [t.RandomResizedCrop(24), *to_float(t), t.RandomHorizontalFlip()],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("name", LISTS)
def test_a_random_list_gives_torchvisions_tensor(name: str, api: str) -> None:
    build, how = LISTS[name]
    transforms = build(APIS[api])
    lowered = lower(APIS[api].Compose(transforms))
    assert lowered.whole, str(lowered)
    # a random crop does not fit into every picture
    check(lowered, transforms, SIZES if "cropped" not in name else SIZES[:4], how)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("filter_name", FILTERS)
@pytest.mark.parametrize("spelling", ["enum", "number", "name"])
def test_every_interpolation_of_pillow(filter_name: str, api: str, spelling: str) -> None:
    t = APIS[api]
    mode: Any = FILTERS[filter_name]
    if spelling == "number":
        mode = Image.Resampling[filter_name.upper()].value
    elif spelling == "name":
        if api == "v1":
            pytest.skip("v1 takes no names")
        mode = filter_name
    try:
        crop = t.RandomResizedCrop(24, interpolation=mode)
        crop(Image.new("RGB", (9, 9)))
    except (ValueError, TypeError):
        pytest.skip(f"this torchvision takes no {spelling}")
    transforms = [crop, t.PILToTensor()]
    check(lower(t.Compose(transforms)), transforms, SIZES, {"filter_name": filter_name})


@pytest.mark.parametrize("api", APIS)
def test_nearest_exact_is_pillows_nearest(api: str) -> None:
    t = APIS[api]
    mode = v1.InterpolationMode.NEAREST_EXACT
    transforms = [t.RandomResizedCrop(24, interpolation=mode), t.PILToTensor()]
    check(lower(t.Compose(transforms)), transforms, SIZES, {"filter_name": "nearest"})
    resize = t.Compose([t.Resize((13, 17), interpolation=mode), t.PILToTensor()])
    pixels = picture(40, 31)
    found = lower(resize).sample(render(lower(resize), pixels))
    assert_equal(found, resize(Image.fromarray(pixels)), "nearest-exact")


def check(lowered: Any, transforms: list[Any], sizes: Any, how: dict[str, Any]) -> None:
    """Compare several positions of several pictures."""
    for size in sizes:
        pixels = picture(*size, seed=3)
        image = Image.fromarray(pixels)
        rows = draw(lowered, [size] * 6, seed=11, first_position=5)
        for number, row in enumerate(rows):
            found = lowered.sample(render(lowered, pixels, seed=11, position=5 + number))
            expected = converted(placed(image, row, **how), transforms, row)
            assert_equal(found, expected, f"{size}, {row.tolist()}")
