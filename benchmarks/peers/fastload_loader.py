"""fastload's rows: torch's script with one changed import, on the store or on the files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from torchvision.transforms import functional

from fastload import DataLoader
from fastload.transforms import lower

from . import protocol, torch_loader


def batches(dataset: Any, job: protocol.Job, extra: dict[str, Any]) -> Iterator[Any]:
    """Batches of the data set.

    In val mode, the benchmark compares the first ones with those of the torch + PIL row; in train
    mode they are compared here.
    """
    loader = torch_loader.loader(dataset, job, DataLoader)
    plan = loader.plan()
    if plan.path != "engine":
        raise SystemExit(f"expected the engine, found\n{plan}")
    extra["plan"] = str(plan)
    if job.train:
        extra["compared_with_torchvision"] = _compare(dataset, job)
    return torch_loader.endless(loader)


def _compare(dataset: Any, job: protocol.Job) -> int:
    """Do again with torchvision, on PIL images, what the core drew for the first files.

    Returns:
        How many images are the same, bit for bit: ``job.check``.
    """
    count = job.check
    loader = DataLoader(dataset, job.batch_size, sampler=range(count), num_workers=job.workers)
    iterator = iter(loader)
    found = np.concatenate([images.numpy() for images, _ in iterator])
    pictures = [Image.open(path).convert("RGB") for path in job.files[:count]]
    heights, widths = (
        np.array([getattr(picture, name) for picture in pictures], np.int32)
        for name in ("height", "width")
    )
    recipe = lower(dataset.transform).recipe()
    rows = recipe.draw(iterator._base_seed, np.arange(count), heights, widths)
    size = [protocol.CROP, protocol.CROP]
    for number, (picture, row) in enumerate(zip(pictures, rows, strict=True)):
        image = functional.resized_crop(picture, *map(int, row[:4]), size)
        if row[10]:  # horizontal flip
            image = functional.hflip(image)
        tensor = functional.to_tensor(image)
        expected = functional.normalize(tensor, protocol.MEAN, protocol.STD).numpy()
        if not np.array_equal(found[number], expected):
            raise SystemExit(f"{job.files[number]}: not the values that torchvision gives")
    return count
