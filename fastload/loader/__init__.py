"""``DataLoader``, and what can be asked of it."""

from __future__ import annotations

from fastload.loader.dataloader import DataLoader
from fastload.loader.failures import SampleError
from fastload.loader.plan import LoaderPlan
from fastload.loader.statistics import LoaderStatistics

__all__ = ["DataLoader", "LoaderPlan", "LoaderStatistics", "SampleError"]
