"""Something small to save, and a look at the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch


def state(value: float = 0) -> dict[str, Any]:
    """Something small."""
    return {"weights": torch.full((1000,), float(value)), "value": value}


def names(folder: Path) -> list[str]:
    """All names in a folder, hidden ones too."""
    return sorted(os.listdir(folder))
