"""Models that take a stated time: on an accelerator that is simulated, or on the CPU."""

from __future__ import annotations

import time
from typing import Any

import torch

from fastload import _core

#: Rows and columns of an image that the simulated model looks at: 4 x 4 of 224 x 224.
_SPOTS = 4


class Simulated:
    """A model on an accelerator.

    A step keeps the thread busy for a share of its time, as one that launches kernels does: CPU
    time, which takes longer where something else has the core or the GIL. It ends when its whole
    time is over, waited for without a core, or when the thread is done, if that is later. In the
    place of the copy to the accelerator, every batch is read once, for its checksum.

    Scores are a fixed function of a few pixels of each image, with weights that are the epoch's:
    the same for the same batches.

    Args:
        classes: how many scores an image has.
        step_seconds, forward_seconds: of a batch in training and in validation.
        launch_share: of either, that the thread is busy.

    Attributes:
        checksums: of the batches of validation, in order.
    """

    def __init__(
        self, classes: int, step_seconds: float, forward_seconds: float, launch_share: float
    ) -> None:
        self._step_seconds = step_seconds
        self._forward_seconds = forward_seconds
        self._launch_share = launch_share
        generator = torch.Generator().manual_seed(0)
        shape = (3 * _SPOTS * _SPOTS, classes)
        self._weights = torch.randn(shape, generator=generator)
        self._drift = torch.randn(shape, generator=generator)
        self._epoch = 0
        self.checksums: list[int] = []

    def begin(self, epoch: int) -> None:
        """What follows is of this epoch."""
        self._epoch = epoch
        self.checksums = []

    def train(self, images: torch.Tensor, labels: torch.Tensor) -> None:  # noqa: ARG002
        """Forward, backward, optimizer."""
        began = self._launch(self._step_seconds)
        _checksum(images)
        _wait_until(began + self._step_seconds)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores: float32 [n, classes]."""
        began = self._launch(self._forward_seconds)
        self.checksums.append(_checksum(images))
        step = [max(1, size // _SPOTS) for size in images.shape[2:]]
        spots = images[:, :, step[0] // 2 :: step[0], step[1] // 2 :: step[1]]
        spots = spots[:, :, :_SPOTS, :_SPOTS].float().reshape(len(images), -1)
        scores = spots @ (self._weights + 0.1 * self._epoch * self._drift)
        _wait_until(began + self._forward_seconds)
        return scores

    def _launch(self, seconds: float) -> float:
        began, used = time.perf_counter(), time.thread_time()
        while time.thread_time() - used < self._launch_share * seconds:
            pass
        return began


class OnCpu:
    """A small convolutional network, trained by SGD on one thread.

    Validation runs it with the weights it began with, so that both sides have the same scores.
    """

    def __init__(self, classes: int) -> None:
        torch.manual_seed(0)
        self._trained, self._fixed = (
            torch.nn.Sequential(
                torch.nn.Conv2d(3, 16, 7, stride=4), torch.nn.ReLU(),
                torch.nn.Conv2d(16, 32, 3, stride=2), torch.nn.ReLU(),
                torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(32, classes),
            )
            for _ in range(2)
        )  # fmt: skip
        self._optimizer = torch.optim.SGD(self._trained.parameters(), lr=0.01, momentum=0.9)
        self.checksums: list[int] = []

    def begin(self, epoch: int) -> None:  # noqa: ARG002
        """What follows is of this epoch."""
        self.checksums = []

    def train(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        """Forward, backward, optimizer."""
        self._optimizer.zero_grad()
        torch.nn.functional.cross_entropy(self._trained(images), labels).backward()
        self._optimizer.step()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores: float32 [n, classes]."""
        self.checksums.append(_checksum(images))
        with torch.inference_mode():
            return self._fixed(images)


def model_of(job: Any) -> Simulated | OnCpu:
    """The model that a job asks for."""
    if job.step == "cpu":
        return OnCpu(job.classes)
    return Simulated(job.classes, job.step_ms / 1e3, job.val_step_ms / 1e3, job.launch_share)


def _checksum(images: torch.Tensor) -> int:
    return int(_core.xxh3_64(images.contiguous().numpy()))


def _wait_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.perf_counter()))
