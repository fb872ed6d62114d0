"""FFCV, on its own file: photos that its writer encoded again (JPEG quality 90, its default)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import (
    CenterCropRGBImageDecoder,
    IntDecoder,
    RandomResizedCropRGBImageDecoder,
)
from ffcv.loader import Loader, OrderOption
from ffcv.reader import Reader
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage
from ffcv.writer import DatasetWriter
from PIL import Image

from . import protocol

EXTRA: dict[str, Any] = {}


class Photos:
    """What FFCV's writer reads: (PIL image, class)."""

    def __init__(self, files: list[str]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        return Image.open(self.files[index]).convert("RGB"), 0


def _written(job: protocol.Job) -> Path:
    path = Path(job.scratch) / "ffcv.beton"
    if not path.exists():
        partial = path.with_suffix(".partial")
        fields = {"image": RGBImageField(write_mode="jpg"), "label": IntField()}
        DatasetWriter(str(partial), fields, num_workers=job.workers).from_indexed_dataset(
            Photos(job.files)
        )
        partial.rename(path)
    share = Reader(str(path)).alloc_table["size"].sum() / sum(map(os.path.getsize, job.files))
    EXTRA["note"] = f"its photos, encoded anew at quality 90, have {share:.0%} of the files' bytes"
    return path


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    size = (protocol.CROP, protocol.CROP)
    if job.train:
        decode = [RandomResizedCropRGBImageDecoder(size), RandomHorizontalFlip()]
    else:
        decode = [CenterCropRGBImageDecoder(size, ratio=protocol.CROP / protocol.RESIZE)]
    mean, std = 255 * np.array(protocol.MEAN), 255 * np.array(protocol.STD)
    images = [
        *decode,
        NormalizeImage(mean, std, np.float32),
        ToTensor(),
        ToTorchImage(channels_last=False),
    ]
    loader = Loader(
        str(_written(job)),
        batch_size=job.batch_size,
        num_workers=job.workers,
        order=OrderOption.RANDOM if job.train else OrderOption.SEQUENTIAL,
        indices=np.tile(np.arange(len(job.files)), job.repeat),
        os_cache=True,
        drop_last=True,
        pipelines={"image": images, "label": [IntDecoder(), ToTensor()]},
    )
    while True:
        for batch, _ in loader:
            yield batch


if __name__ == "__main__":
    protocol.serve(batches, "ffcv", "numba", "torch", extra=EXTRA)
