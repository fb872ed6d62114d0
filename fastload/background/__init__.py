"""Work that training does not wait for: metrics, plots, logs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastload.background.coco_map import CocoMeanAP
    from fastload.background.job import BackgroundJob
    from fastload.background.worker import BackgroundWorker

__all__ = ["BackgroundJob", "BackgroundWorker", "CocoMeanAP"]

#: Where each name lives. Resolved late: a process that only draws has no torch to import.
_HOMES = {"BackgroundJob": "job", "BackgroundWorker": "worker", "CocoMeanAP": "coco_map"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
