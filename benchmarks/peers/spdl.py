"""SPDL: FFmpeg's decoder and filters in a pool of threads; normalized by NumPy, a batch at once."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import spdl.io
from spdl.pipeline import PipelineBuilder

from . import protocol

MEAN = 255 * np.array(protocol.MEAN, np.float32).reshape(1, 3, 1, 1)
STD = 255 * np.array(protocol.STD, np.float32).reshape(1, 3, 1, 1)


def _random_resized_crop(height: int, width: int) -> str:
    """FFmpeg's filters for torchvision's RandomResizedCrop(224) and a horizontal flip."""
    for _ in range(10):
        area = height * width * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        crop_width, crop_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            break
    else:
        crop_height = crop_width = min(height, width)
    left, top = random.randint(0, width - crop_width), random.randint(0, height - crop_height)
    flip = ",hflip" if random.random() < 0.5 else ""
    crop = f"crop={crop_width}:{crop_height}:{left}:{top}:exact=1"
    scale = f"scale={protocol.CROP}:{protocol.CROP}:flags=bilinear"
    return f"{crop},{scale}{flip},format=pix_fmts=rgb24"


def _resize_center_crop(height: int, width: int) -> str:
    short = min(height, width)
    height, width = protocol.RESIZE * height // short, protocol.RESIZE * width // short
    size = protocol.CROP
    return f"scale={width}:{height}:flags=bilinear,format=pix_fmts=rgb24,crop={size}:{size}"


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    filters = _random_resized_crop if job.train else _resize_center_crop

    def files() -> Iterator[str]:
        for _ in range(job.repeat):
            order = list(job.files)
            if job.train:
                random.shuffle(order)
            yield from order

    def decode(path: str) -> Any:
        packets = spdl.io.demux_image(path)
        size = packets.codec
        return spdl.io.decode_packets(packets, filter_desc=filters(size.height, size.width))

    def batch(frames: list[Any]) -> np.ndarray:
        pixels = spdl.io.to_numpy(spdl.io.convert_frames(frames))
        normalized = np.empty((len(pixels), 3, protocol.CROP, protocol.CROP), np.float32)
        np.subtract(pixels.transpose(0, 3, 1, 2), MEAN, out=normalized)
        normalized /= STD
        return normalized

    while True:
        pipeline = (
            PipelineBuilder()
            .add_source(files())
            .pipe(decode, concurrency=job.workers, output_order="input")
            .aggregate(job.batch_size, drop_last=True)
            .pipe(batch)
            .add_sink(2)
            .build(num_threads=job.workers)
        )
        with pipeline.auto_stop():
            yield from pipeline


if __name__ == "__main__":
    protocol.serve(batches, "spdl", "spdl-io")
