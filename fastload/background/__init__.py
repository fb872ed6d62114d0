"""Work that training does not wait for: metrics, plots, logs."""

from __future__ import annotations

from fastload.background.coco_map import CocoMeanAP
from fastload.background.job import BackgroundJob
from fastload.background.worker import BackgroundWorker

__all__ = ["BackgroundJob", "BackgroundWorker", "CocoMeanAP"]
