"""torchvision's transforms, read and handed to the engine as far as it can run them.

``lower(transform)`` is the way in; `Lowered` is what comes out. Importing this imports neither
torch nor torchvision: a transform that is one of theirs has imported them already.
"""

from __future__ import annotations

from fastload.transforms.lowered import Lowered
from fastload.transforms.randomness import random_step
from fastload.transforms.reader import lower
from fastload.transforms.step import Step

__all__ = ["Lowered", "Step", "lower", "random_step"]
