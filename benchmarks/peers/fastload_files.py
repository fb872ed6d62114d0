"""fastload straight from the files: torchvision's ImageFolder, and one changed import."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchvision.datasets import ImageFolder

from . import fastload_loader, protocol, torch_loader

EXTRA: dict[str, Any] = {}


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    dataset = ImageFolder(job.root, torch_loader.pil_transform(job))
    return fastload_loader.batches(dataset, job, EXTRA)


if __name__ == "__main__":
    protocol.serve(batches, "fastload", "torch", "torchvision", "pillow", extra=EXTRA)
