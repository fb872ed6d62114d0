"""torch's loader as it is usually set up; its rows differ in the data set and the transforms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import DataLoader, Dataset, RandomSampler
from torchvision import transforms

from .protocol import CROP, MEAN, RESIZE, STD, Job


def pil_transform(job: Job) -> Any:
    """The transforms that torchvision's own recipe applies to PIL images."""
    if job.train:
        sized = [transforms.RandomResizedCrop(CROP), transforms.RandomHorizontalFlip()]
    else:
        sized = [transforms.Resize(RESIZE), transforms.CenterCrop(CROP)]
    return transforms.Compose([*sized, transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


def sampler(dataset: Dataset[Any], job: Job) -> Any:
    """An epoch of every file ``repeat`` times: permutations, or in the files' order."""
    count = len(job.files)
    if job.train:
        return RandomSampler(dataset, num_samples=count * job.repeat)
    return list(range(count)) * job.repeat


def loader(dataset: Dataset[Any], job: Job, kind: type[DataLoader[Any]] = DataLoader) -> Any:
    """The loader; ``kind`` is the one changed import."""
    return kind(
        dataset,
        batch_size=job.batch_size,
        sampler=sampler(dataset, job),
        num_workers=job.workers,
        drop_last=True,
        persistent_workers=job.workers > 0,
    )


def endless(batches: Any) -> Iterator[Any]:
    """Images of epoch after epoch."""
    while True:
        for images, _ in batches:
            yield images


class Files(Dataset[Any]):
    """JPEG files, each with label 0, read by a function of the path."""

    def __init__(self, files: list[str], read: Any) -> None:
        self.files = files
        self.read = read

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.read(self.files[index]), 0
