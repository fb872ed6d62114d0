"""torch's loader with OpenCV for decoding and resizing (bilinear, as its users do), NumPy else."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torchvision.transforms import RandomResizedCrop

from . import protocol, torch_loader

SCALE = np.float32(255) * np.array(protocol.STD, np.float32)
SHIFT = np.array(protocol.MEAN, np.float32) / np.array(protocol.STD, np.float32)


def _train(image: np.ndarray) -> np.ndarray:
    shape = torch.empty(0, *image.shape[:2])  # no pixels, only a size
    top, left, height, width = RandomResizedCrop.get_params(shape, [0.08, 1.0], [3 / 4, 4 / 3])
    image = image[top : top + height, left : left + width]
    image = cv2.resize(image, (protocol.CROP, protocol.CROP), interpolation=cv2.INTER_LINEAR)
    return cv2.flip(image, 1) if random.random() < 0.5 else image


def _val(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    short = min(height, width)
    height = int(protocol.RESIZE * height / short)
    width = int(protocol.RESIZE * width / short)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = round((height - protocol.CROP) / 2), round((width - protocol.CROP) / 2)
    return image[top : top + protocol.CROP, left : left + protocol.CROP]


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    cv2.setNumThreads(0)
    sized = _train if job.train else _val

    def read(path: str) -> torch.Tensor:
        image = cv2.imread(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        image = cv2.cvtColor(sized(image), cv2.COLOR_BGR2RGB)
        chw = np.ascontiguousarray((image / SCALE - SHIFT).transpose(2, 0, 1))
        return torch.from_numpy(chw)

    return torch_loader.endless(torch_loader.loader(torch_loader.Files(job.files, read), job))


if __name__ == "__main__":
    protocol.serve(batches, "torch", "opencv-python-headless")
