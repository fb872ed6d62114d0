"""fastload from its store: ``LMDBDataset`` in place of ImageFolder, and its DataLoader."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastload import LMDBDataset

from . import fastload_loader, protocol, torch_loader

EXTRA: dict[str, Any] = {}


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    dataset = LMDBDataset(job.store, torch_loader.pil_transform(job))
    return fastload_loader.batches(dataset, job, EXTRA)


if __name__ == "__main__":
    protocol.serve(batches, "fastload", "torch", "torchvision", "pillow", extra=EXTRA)
