"""turboloader on a TAR of the same files; train only: it has no fused Resize + CenterCrop."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import turboloader

from . import protocol

#: Of the repetitions; it reads no list of indices, so the TAR holds the photos so many times.
MOST_COPIES = 15


def _tar(job: protocol.Job) -> Path:
    path = Path(job.scratch) / f"turboloader-{min(job.repeat, MOST_COPIES)}.tar"
    if not path.exists():
        partial = path.with_suffix(".partial")
        with tarfile.open(partial, "w", dereference=True) as tar:
            for copy in range(min(job.repeat, MOST_COPIES)):
                for number, file in enumerate(job.files):
                    tar.add(file, f"{copy:02d}{number:06d}.jpg")
        partial.rename(path)
    return path


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    if not job.train:
        raise SystemExit("turboloader has no fused Resize + CenterCrop")
    loader = turboloader.DataLoader(
        str(_tar(job)),
        batch_size=job.batch_size,
        num_workers=job.workers,
        shuffle=True,
        image_size=protocol.CROP,
        transform=turboloader.ImageNetNormalize(),
        output_format="pytorch",
        train_aug=True,
        antialias=True,
        drop_last=True,
    )
    epoch = 0
    while True:
        loader.set_epoch(epoch)
        for images, _ in loader:
            yield images
        epoch += 1


if __name__ == "__main__":
    protocol.serve(batches, "turboloader")
