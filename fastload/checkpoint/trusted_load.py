"""The one place where a pickle that may run code is loaded: on a user's explicit wish.

``weights_only`` comes as an argument from ``load_latest``, whose default is True.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def load_pickle(path: Path, map_location: Any, weights_only: bool) -> Any:
    """``torch.load``.

    Args:
        weights_only: False lets the file's pickle run any code it names.
    """
    return torch.load(path, map_location=map_location, weights_only=weights_only)
