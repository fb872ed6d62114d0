"""torch's loader with torchvision.io, and torchvision's transforms v2 on the tensor."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torchvision.io import ImageReadMode, decode_jpeg, read_file
from torchvision.transforms import v2

from . import protocol, torch_loader


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    if job.train:
        sized = [v2.RandomResizedCrop(protocol.CROP, antialias=True), v2.RandomHorizontalFlip()]
    else:
        sized = [v2.Resize(protocol.RESIZE, antialias=True), v2.CenterCrop(protocol.CROP)]
    transform = v2.Compose(
        [
            *sized,
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(protocol.MEAN, protocol.STD),
        ]
    )

    def read(path: str) -> Any:
        return transform(decode_jpeg(read_file(path), mode=ImageReadMode.RGB))

    return torch_loader.endless(torch_loader.loader(torch_loader.Files(job.files, read), job))


if __name__ == "__main__":
    protocol.serve(batches, "torch", "torchvision")
