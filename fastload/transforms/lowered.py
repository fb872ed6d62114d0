"""``Lowered``: what the engine does of a transform list, and what is left for Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image

from fastload import _core
from fastload.picture import Info
from fastload.pixels import pass_order
from fastload.transforms.state import Op
from fastload.transforms.step import Step
from fastload.transforms.table import DTYPES, dtype_name, erase_values, table_of, tensor_of

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["Kind", "Lowered"]

Kind = Literal["tensor", "picture", "nothing"]


@dataclass(frozen=True, eq=False)
class Lowered:
    """A transform list, split in two: what the engine runs, and a tail of the user's objects.

    It pickles where the tail does; the recipe is built anew in each process.

    Attributes:
        kind: "tensor": the engine gives what the list has become behind a conversion to a tensor.
            "picture": it gives uint8 pixels of an image that is still a PIL image there.
            "nothing": all runs in Python, and ``tail`` is the whole list.
        ops: for `_core.Recipe`.
        channels, height, width: the shape of each sample that the engine makes.
        dtype: "uint8", "float32", "float16" or "bfloat16".
        table: [channels, 256] of that dtype (bfloat16: its bits as uint16), or None for bytes
            that stay as they are.
        tensor_type: the exact type that the original's tensor has here (`torch.Tensor` or
            `torchvision.tv_tensors.Image`); None for pictures.
        tail: the rest of the list; each is called with the result of the one before.
        steps: where each transform runs, and why.
        inexact: why the engine's pixels are not the installed Pillow's bit for bit, or None.
    """

    kind: Kind
    steps: tuple[Step, ...]
    tail: tuple[Callable[[Any], Any], ...] = ()
    ops: tuple[Op, ...] = ()
    channels: int = 3
    height: int = 0
    width: int = 0
    dtype: str = "uint8"
    table: NDArray[Any] | None = None
    tensor_type: type | None = None
    inexact: str | None = None

    @property
    def whole(self) -> bool:
        """Whether the engine makes the final tensors, so that no Python runs a sample."""
        return self.kind == "tensor" and not self.tail

    @property
    def exact(self) -> bool:
        """Whether the engine's pixels are bit for bit the installed Pillow's."""
        return self.inexact is None

    @property
    def torch_dtype(self) -> torch.dtype:
        """The dtype of what the engine makes."""
        import torch

        dtype: torch.dtype = getattr(torch, self.dtype)
        return dtype

    def recipe(self, *, channels_last: bool = False) -> _core.Recipe:
        """What the engine runs; immutable and thread-safe.

        Args:
            channels_last: slots of [height, width, channels] memory. Pictures have no other.

        Raises:
            ValueError: the engine runs nothing of this list.
        """
        if self.kind == "nothing":
            raise ValueError(f"expected a list that the engine can begin, found:\n{self}")
        return _core.Recipe(
            list(self.ops), height=self.height, width=self.width, channels=self.channels,
            dtype=DTYPES.index(self.dtype), table=self.table, pillow_order=pass_order(),
            channels_last=channels_last or self.kind == "picture",
        )  # fmt: skip

    def sample(self, slot: Any, info: Info | None = None) -> Any:
        """What the tail expects, of one sample that the engine made.

        Args:
            slot: for pictures uint8 [height, width, channels], an array or a tensor; otherwise a
                tensor [channels, height, width].
            info: of a PIL image, what it has in its ``info``.

        Returns:
            a PIL image with pixels of its own (mode RGB or L), or the same tensor with the type
            that the original would have here.
        """
        if self.kind == "picture":
            pixels = np.asarray(slot)
            image = Image.fromarray(pixels[..., 0].copy() if self.channels == 1 else pixels)
            image.info |= info or {}
            return image
        return slot.as_subclass(self.tensor_type)

    def keeps_info(self, drawn: NDArray[np.int32]) -> bool:
        """Whether torchvision's image would have the file's ``info`` where the tail begins.

        Pads and grayscale of three channels make a new image, without any.

        Args:
            drawn: the sample's row of `_core.Recipe.draw`.
        """
        rows, columns, top, left, height, width = drawn[4:10].tolist()
        inside = min(top, left) >= 0 and top + height <= rows and left + width <= columns
        gray = bool(drawn[12]) and self.channels == 3
        return inside and not gray and not any(op[0] == "pad" for op in self.ops)

    def finish(self, sample: Any) -> Any:
        """The list's final result, of what `sample` gave."""
        for transform in self.tail:
            sample = transform(sample)
        return sample

    def same_as(self, other: Lowered) -> bool:
        """Whether the engine makes the same of a picture, given the same seed and position."""
        return (
            (self.kind, self.channels, self.height, self.width, self.dtype)
            == (other.kind, other.channels, other.height, other.width, other.dtype)
            and repr(self.ops) == repr(other.ops)
            and (None if self.table is None else self.table.tobytes())
            == (None if other.table is None else other.table.tobytes())
        )

    def cast(self, dtype: torch.dtype) -> Lowered:
        """The same with its final tensors in another dtype: what ``tensor.to(dtype)`` gives.

        Raises:
            ValueError: the engine does not make the final tensors, or not in this dtype.
        """
        name = dtype_name(dtype)
        if not self.whole:
            raise ValueError(
                "expected a list that the engine runs to its end, so that it can make another "
                f"dtype; these run in Python: {[s.name for s in self.steps if s.where == 'python']}"
            )
        if name not in DTYPES:
            raise ValueError(f"expected dtype to be one of {DTYPES}, found {name}")
        ramp = tensor_of(self.table, self.dtype, self.channels)[:, None].to(dtype)
        return replace(self, dtype=name, table=table_of(ramp), ops=self._cast_ops(dtype))

    def _cast_ops(self, dtype: torch.dtype) -> tuple[Op, ...]:
        import torch

        if not self.ops or self.ops[-1][0] != "erase":
            return self.ops
        ramp = torch.zeros((3, 1, 257), dtype=self.torch_dtype)
        ramp[:, 0, 256] = torch.tensor(self.ops[-1][-1], dtype=self.torch_dtype)
        return (*self.ops[:-1], (*self.ops[-1][:-1], erase_values(ramp.to(dtype))))

    def __str__(self) -> str:
        """The plan: a line for each transform, then what the engine makes."""
        lines = [str(step) for step in self.steps]
        if not self.steps:
            lines.append("There is no transform, so there is no tensor for the engine to make.")
        elif self.kind == "nothing":
            lines.append("The engine makes nothing of this list: all of it runs in Python.")
        else:
            what = "images" if self.kind == "picture" else "tensors"
            shape = f"[{self.channels}, {self.height}, {self.width}]"
            lines.append(f"The engine makes {self.dtype} {what} of {shape}.")
        if self.inexact is not None:
            lines.append(f"Not exact: {self.inexact}.")
        return "\n".join(lines)
