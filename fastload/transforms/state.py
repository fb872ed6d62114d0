"""``State``: what is known of a picture between two transforms of a list."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fastload.transforms.refusal import Refusal

if TYPE_CHECKING:
    import torch

__all__ = ["Color", "Erasing", "Op", "State", "is_gray"]

Op = tuple[Any, ...]  # as `_core.Recipe` takes them
Color = tuple[int, int, int]  # R, G, B from 0 to 255

_BLACK: Color = (0, 0, 0)


def is_gray(color: Color) -> bool:
    """Whether a conversion to gray leaves it as it is: the weights add up to one."""
    return color[0] == color[1] == color[2]


@dataclass(frozen=True)
class Erasing:
    """A RandomErasing; the value that it writes is in the last column of the state's ramp."""

    probability: float
    scale: tuple[float, float]
    ratio: tuple[float, float]


@dataclass(frozen=True, eq=False)
class State:
    """A picture after some transforms, as far as it is the same for all pictures.

    The rules kept here are the core's (csrc/recipe.cpp, "what a recipe can run"): one resampling,
    of an unpadded and unflipped part; behind it nothing that was cut off is uncovered again.

    Attributes:
        size: (height, width), or None where it differs from picture to picture.
        channels: 3, or 1 after Grayscale(1), as long as this is a PIL image.
        ops: what the core runs to get here.
        ramp: None for a PIL image. Otherwise a tensor [channels, 1, 257] of the exact type, with
            what each byte has become in columns 0 to 255, and the erasing value behind them.
        resized, cut, padded, flipped: whether that may have happened.
        gray: whether all pixels may be, or are, gray.
        fill: the colour that pads have.
        erasing: the RandomErasing, if there was one.
    """

    size: tuple[int, int] | None = None
    channels: int = 3
    ops: tuple[Op, ...] = ()
    ramp: torch.Tensor | None = None
    resized: bool = False
    cut: bool = False
    padded: bool = False
    flipped: bool = False
    gray: bool = False
    fill: Color = _BLACK
    erasing: Erasing | None = None

    def require_unerased(self) -> None:
        """Refuse what moves pixels, where some of them were erased."""
        if self.erasing is not None:
            raise Refusal("the engine erases last, so pixels cannot move after RandomErasing")

    def grown(self, fill: Color) -> State:
        """The same, ready to be padded with a colour.

        Raises:
            Refusal: the pad would have to hide what a crop has cut off, or its colour differs
                from that of another pad.
        """
        if self.cut and (self.resized or self.padded):
            raise Refusal("it may pad what was cropped after it was resized or padded")
        if self.padded and fill != self.fill:
            raise Refusal(f"it pads with {fill}, an earlier transform with {self.fill}")
        if self.gray and not is_gray(fill):
            raise Refusal(f"it pads with {fill} after a conversion to gray")
        return replace(self, padded=True, fill=fill)

    def with_op(self, *op: Any, **changes: Any) -> State:
        """The state behind one more operation of the core's."""
        return replace(self, ops=(*self.ops, op), **changes)

    def holds(self, height: int, width: int) -> bool:
        """Whether every picture is known to have at least this size."""
        return self.size is not None and self.size[0] >= height and self.size[1] >= width
