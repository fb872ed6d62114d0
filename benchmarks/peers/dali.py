"""NVIDIA DALI's CPU operators: region decoding, triangular (antialiased) resizing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nvidia.dali import fn, pipeline_def, types

from . import protocol

MEAN = [255 * value for value in protocol.MEAN]
STD = [255 * value for value in protocol.STD]


def _images(job: protocol.Job) -> Any:
    files, _ = fn.readers.file(
        files=job.files * job.repeat, random_shuffle=job.train, name="reader"
    )
    decoding = {"device": "cpu", "output_type": types.RGB, "adjust_orientation": False}
    if job.train:
        images = fn.decoders.image_random_crop(
            files, random_area=[0.08, 1.0], random_aspect_ratio=[3 / 4, 4 / 3], **decoding
        )
        size = {"size": [protocol.CROP, protocol.CROP]}
        mirror = fn.random.coin_flip(probability=0.5)
    else:
        images = fn.decoders.image(files, **decoding)
        size = {"resize_shorter": protocol.RESIZE}
        mirror = 0
    images = fn.resize(images, interp_type=types.INTERP_TRIANGULAR, **size)
    return fn.crop_mirror_normalize(
        images, crop=[protocol.CROP, protocol.CROP], mirror=mirror, mean=MEAN, std=STD,
        dtype=types.FLOAT, output_layout="CHW",
    )  # fmt: skip


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    make = pipeline_def(
        batch_size=job.batch_size, num_threads=job.workers, device_id=None, prefetch_queue_depth=2
    )
    pipeline = make(lambda: _images(job))()
    pipeline.build()
    while True:
        (images,) = pipeline.run()
        yield images.as_array()


if __name__ == "__main__":
    protocol.serve(batches, "nvidia-dali-cuda120")
