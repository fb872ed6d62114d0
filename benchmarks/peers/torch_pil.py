"""Stock torch and torchvision: ImageFolder, which decodes with Pillow. The base of all ratios."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torchvision.datasets import ImageFolder

from . import protocol, torch_loader


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    dataset = ImageFolder(job.root, torch_loader.pil_transform(job))
    return torch_loader.endless(torch_loader.loader(dataset, job))


if __name__ == "__main__":
    protocol.serve(batches, "torch", "torchvision", "pillow")
