"""The safetensors library, which is an optional part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastload.errors import CheckpointError


def require_safetensors() -> Any:
    """Its torch module.

    Raises:
        CheckpointError: it is not installed.
    """
    try:
        from safetensors import torch as library
    except ImportError as error:
        raise CheckpointError(
            'format="safetensors" needs the safetensors library, which is not installed: '
            "pip install 'fastload[safetensors]'"
        ) from error
    return library


def load_tensors(path: Path, map_location: Any) -> dict[str, Any]:
    """Name -> tensor.  Only a plain device makes sense as ``map_location`` here."""
    return dict(require_safetensors().load_file(path, device=str(map_location or "cpu")))
