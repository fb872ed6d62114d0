"""Which transform of a list keeps the engine from making the same pixels in every epoch."""

from __future__ import annotations

from fastload.transforms.lowered import Lowered
from fastload.transforms.state import Op

__all__ = ["random_step"]

#: What the core calls the random ones, and torchvision.
_NAMES = {
    "random_resized_crop": "RandomResizedCrop",
    "random_crop": "RandomCrop",
    "horizontal_flip": "RandomHorizontalFlip",
    "vertical_flip": "RandomVerticalFlip",
    "grayscale": "RandomGrayscale",
    "erase": "RandomErasing",
}


def random_step(lowered: Lowered) -> str | None:
    """The first transform whose outcome is drawn anew in each epoch, as the plan names it.

    None where the engine's pixels are the same in every epoch. The same question as the core's
    ``Recipe.fixed``, which decides; this one has the name for it.
    """
    for op in lowered.ops:
        if _draws(op):
            name = _NAMES[op[0]]
            return next((s.name for s in lowered.steps if s.name.startswith(name)), name)
    return None


def _draws(op: Op) -> bool:
    if op[0] in ("random_resized_crop", "random_crop"):
        return True
    if op[0] == "erase":
        return float(op[1]) > 0
    return op[0] in _NAMES and 0 < float(op[1]) < 1
