"""What runs where, and the reason the plan gives for it."""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import PIL
import pytest
import torch
from torchvision import transforms as v1
from torchvision.transforms import v2

from fastload.transforms import lower
from support.recipes import MEAN, STD


class Mine(v1.Resize):
    """A subclass, which may do anything."""


def double(tensor: torch.Tensor) -> torch.Tensor:
    return tensor * 2


def with_hook() -> Any:
    transform = v1.Normalize(MEAN, STD)
    transform.register_forward_hook(lambda *_: None)
    return transform


def with_forward() -> Any:
    transform = v2.RandomHorizontalFlip()
    transform.forward = lambda value: value
    return transform


SIZED = v1.Resize((20, 20))
TENSOR = [v1.Resize((20, 20)), v1.ToTensor()]

# name -> (what stands before, the transform that runs in Python, a part of the reason)
REFUSED: dict[str, tuple[list[Any], Any, str]] = {
    "function": (TENSOR, double, "not one of torchvision's"),
    "subclass": ([], Mine((20, 20)), "a class derived from torchvision's Resize"),
    "unknown": ([SIZED], v1.ColorJitter(), "the engine has no ColorJitter"),
    "lambda": (TENSOR, v1.Lambda(double), "the engine has no Lambda"),
    "random apply": ([SIZED], v2.RandomApply([v2.Grayscale()]), "the engine has no RandomApply"),
    "hook": (TENSOR, with_hook(), "it has hooks"),
    "own method": (TENSOR, with_forward(), "a forward() of its own"),
    "tensor resize": (TENSOR, v1.Resize((9, 9)), "torch resizes tensors with a kernel of its own"),
    "tensor gray": (TENSOR, v1.Grayscale(), "other weights than Pillow's"),
    "second resize": ([SIZED], v1.Resize((9, 9)), "the engine resamples once"),
    "flip, resize": ([SIZED, v1.RandomVerticalFlip()], v2.Resize(9), "the engine resamples once"),
    "small max_size": ([v1.CenterCrop(9)], v2.Resize(9, max_size=9), "a max_size above the size"),
    "edge padding": ([SIZED], v1.Pad(2, padding_mode="edge"), "not with mode 'edge'"),
    "reflected crop": (
        [SIZED], v2.RandomCrop(9, padding=1, padding_mode="reflect"), "not with mode 'reflect'"
    ),
    "negative padding": ([SIZED], v1.Pad(-2), "expected padding to be an int of at least 0"),
    "fill out of range": ([SIZED], v1.Pad(2, fill=300), "a fill from 0 to 255"),
    "two fills": ([SIZED, v1.Pad(1, 5)], v1.Pad(1, 6), "an earlier transform with (5, 5, 5)"),
    "pad after crop": ([SIZED, v1.CenterCrop(9)], v1.Pad(1), "it may pad what was cropped"),
    "centre pad in white": ([SIZED, v1.Pad(1, 255)], v1.CenterCrop(30), "an earlier transform"),
    "colour after gray": (
        [SIZED, v1.Grayscale(3)], v1.Pad(1, (9, 9, 8)), "after a conversion to gray"
    ),
    "gray after colour": (
        [v1.RandomCrop(9), v1.Pad(1, (9, 8, 9))], v1.Grayscale(3), "which would turn gray too"
    ),
    "pad after a pad by chance": ([v1.CenterCrop(9)], v1.Pad(1), "it may pad what was cropped"),
    "gray twice": (
        [SIZED, v1.RandomGrayscale()], v1.RandomGrayscale(), "turns a picture gray once"
    ),
    "crop too large": ([SIZED], v1.RandomCrop(24), "the picture of 20 x 20 is smaller"),
    "pad of no pixel's value": ([*TENSOR, v1.Normalize(MEAN, STD)], v1.Pad(2), "the value 0"),
    "vector pad": (TENSOR, v1.Pad(2, fill=(0, 0, 0)), "with a single number only"),
    "erase at random": (TENSOR, v1.RandomErasing(value="random"), "not with random ones"),
    "v2 erase at random": (TENSOR, v2.RandomErasing(value="random"), "not with random ones"),
    "erase twice": ([*TENSOR, v1.RandomErasing()], v1.RandomErasing(), "the engine erases once"),
    "flip after erasing": (
        [*TENSOR, v1.RandomErasing()], v1.RandomHorizontalFlip(), "the engine erases last"
    ),
    "erase a picture": ([SIZED], v2.RandomErasing(), "after the conversion to a tensor only"),
    "float64": (TENSOR, v2.ToDtype(torch.float64), "the engine makes no float64"),
    "mean a pixel": (
        TENSOR, v1.Normalize(torch.zeros(3, 20, 20), STD), "not one number a channel"
    ),
    "no deviation": (TENSOR, v1.Normalize(MEAN, [0.0] * 3), "it raises ValueError"),
    "normalized image": ([SIZED], v2.Normalize(MEAN, STD), "it raises TypeError"),
    "back to an image": (TENSOR, v1.ToPILImage(), "the engine has no ToPILImage"),
    "twice to a tensor": (TENSOR, v1.ToTensor(), "it raises TypeError"),
    "v1 on an Image": (
        [SIZED, v2.ToImage()], v1.RandomHorizontalFlip(), "plain tensor only when it acts"
    ),
    "impossible chance": ([SIZED], v1.RandomHorizontalFlip(1.5), "p to be a number from 0 to 1"),
    "no chance": ([SIZED], v1.RandomHorizontalFlip(math.nan), "p to be a number from 0 to 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_plan_says_why_a_transform_runs_in_python(name: str) -> None:
    before, transform, reason = REFUSED[name]
    lowered = lower(v1.Compose([*before, transform, double]))
    assert [step.where for step in lowered.steps] == ["engine"] * len(before) + ["python"] * 2
    assert reason in lowered.steps[len(before)].why
    assert lowered.tail == (transform, double)
    kind = type(transform).__name__
    assert f"it comes after {kind}, which runs in Python" in str(lowered) or kind == "ToDtype"
    if before:
        lowered.recipe()


def test_a_size_by_the_longer_side_alone_runs_in_python() -> None:
    try:
        resize = v2.Resize(None, max_size=9)
    except (TypeError, ValueError):
        pytest.skip("this torchvision has no size=None")
    assert "not by max_size alone" in lower(resize).steps[0].why


class Nameless:
    """Its repr is broken; torchvision never calls it."""

    def __repr__(self) -> str:
        raise RuntimeError("no name")

    def __call__(self, value: Any) -> Any:
        return value


def test_a_transform_whose_repr_fails_is_called_by_its_class() -> None:
    assert lower(Nameless()).steps[0].name == "Nameless"


REFUSED_AT_FIRST: dict[str, tuple[Callable[[], Any], str]] = {
    "order of scale": (lambda: v1.RandomResizedCrop(8, (1.0, 0.1)), "scale to be (min, max)"),
    "order of ratio": (lambda: v2.RandomResizedCrop(8, ratio=(2.0, 1.0)), "ratio to be (min, max)"),
    "negative scale": (lambda: v1.RandomResizedCrop(8, (-0.1, 1.0)), "min 0 or more"),
    "ratio of nothing": (lambda: v1.RandomResizedCrop(8, ratio=(0.0, 1.0)), "min above 0"),
    "fractional size": (lambda: v1.RandomResizedCrop((8.5, 8)), "a height to be an int"),
    "no size": (lambda: v1.CenterCrop(0), "a height to be an int of at least 1, found 0"),
    "padding, resize": (
        lambda: v1.Compose([v1.Pad(3), v1.Resize((9, 9))]), "pads after resampling, not before"
    ),
    "flip, resize": (
        lambda: v1.Compose([v1.RandomHorizontalFlip(), v1.RandomResizedCrop(9)]),
        "flip after resizing instead",
    ),
    "no fixed size": (
        lambda: v1.Compose([v1.Resize(9), v1.ToTensor()]), "not the same size for every picture"
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Scale and ratio should be")
@pytest.mark.parametrize("name", REFUSED_AT_FIRST)
def test_the_plan_says_why_a_list_runs_in_python_whole(name: str) -> None:
    build, reason = REFUSED_AT_FIRST[name]
    lowered = lower(build())
    assert lowered.kind == "nothing"
    assert reason in str(lowered)
    assert "all of it runs in Python" in str(lowered)
    with pytest.raises(ValueError, match="all of it runs in Python"):
        lowered.recipe()


def test_the_plan_of_a_whole_list() -> None:
    lowered = lower(
        v1.Compose([v1.RandomResizedCrop(224), v1.RandomHorizontalFlip(), v1.ToTensor()])
    )
    assert lowered.whole
    assert lowered.exact or ".post" in PIL.__version__
    lines = str(lowered).splitlines()
    assert lines[0].startswith("engine  RandomResizedCrop(size=(224, 224)")
    assert lines[0].endswith("resampled (bilinear) as Pillow does it")
    assert lines[1] == "engine  RandomHorizontalFlip(p=0.5): pixels are moved, not changed"
    assert lines[2].startswith("engine  ToTensor(): a table of 256 values a channel")
    assert lines[3] == "The engine makes float32 tensors of [3, 224, 224]."


def test_nothing_to_do() -> None:
    for nothing in (None, v1.Compose([])):
        lowered = lower(nothing)
        assert (lowered.kind, lowered.tail, lowered.steps) == ("nothing", (), ())
        assert (
            str(lowered) == "There is no transform, so there is no tensor for the engine to make."
        )


def test_pillow_simd_makes_resampling_inexact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL, "__version__", "9.5.0.post2")
    lowered = lower(v1.Compose([v1.Resize((8, 8)), v1.ToTensor()]))
    assert lowered.whole
    assert not lowered.exact
    assert "Not exact: Pillow 9.5.0.post2 is pillow-simd" in str(lowered)
    assert lower(v1.Compose([v1.CenterCrop(8), v1.ToTensor()])).exact
    assert lower(v1.Compose([v1.Resize((8, 8), 0), v1.ToTensor()])).exact  # nearest rounds nothing


def test_lowering_looks_at_the_objects_as_they_are_now() -> None:
    transform = v1.Compose([v1.CenterCrop(8), v1.PILToTensor()])
    assert lower(transform).height == 8
    transform.transforms[0].size = (9, 9)
    assert lower(transform).height == 9


def test_lowering_changes_neither_the_objects_nor_torchs_random_numbers() -> None:
    transform = v2.Compose([v2.RandomResizedCrop(8), v2.ToImage(), v2.ToDtype(torch.float32),
                            v2.Normalize(MEAN, STD, inplace=True), v2.RandomErasing()])  # fmt: skip
    before, state = repr(transform), torch.get_rng_state()
    assert lower(transform).whole
    assert repr(transform) == before
    assert torch.equal(torch.get_rng_state(), state)


def test_reading_a_list_imports_no_torch() -> None:
    code = (
        "import sys; from fastload.transforms import lower; lower(None); lower(str.upper); "
        "print([name for name in ('torch', 'torchvision') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
