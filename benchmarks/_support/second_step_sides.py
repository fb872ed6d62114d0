"""The two sides of the benchmark: one training loop, with torch's parts and with fastload's."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.protocol import MEAN, STD
from torch.utils.data import DataLoader as TorchDataLoader
from torch.utils.data import RandomSampler
from torchvision import transforms

from . import second_step_work as work
from . import training
from .second_step_model import model_of

PARTS = (
    "train wait", "train steps", "val wait", "val forward", "metrics", "plots", "logs",
    "checkpoint",
)  # fmt: skip
SECOND = PARTS[2:]


@dataclass(frozen=True)
class Job:
    """What a side has to do.

    Attributes:
        side: "stock", "fastload" or "alone" (training with fastload, and nothing else).
        without: parts of fastload that are left out.
        root: a folder with train/CLASS/*.jpg and val/CLASS/*.jpg.
        store: a pack of it.
        scratch: for the benchmark's own files; folder: for what the side writes.
        train_images: an epoch, by repetition.
        crop, resize: in pixels.
        step: "simulated" or "cpu".
        executor: of fastload's background work.
        cache_bytes: of fastload's validation cache; 0: as it chooses.
    """

    side: str
    without: list[str]
    root: str
    store: str
    scratch: str
    folder: str
    train_images: int
    batch_size: int
    workers: int
    classes: int
    crop: int
    resize: int
    step: str
    step_ms: float
    val_step_ms: float
    launch_share: float
    state_bytes: int
    executor: str
    cache_bytes: int


class Clock:
    """Seconds of each part of an epoch."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(PARTS, 0.0)

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        """Count what runs within."""
        began = time.perf_counter()
        yield
        self.seconds[part] += time.perf_counter() - began


def transforms_of(job: Job) -> tuple[Any, Any]:
    """What torchvision's own recipe does, for training and for validation."""
    end = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    crop = [transforms.RandomResizedCrop(job.crop), transforms.RandomHorizontalFlip()]
    return (
        transforms.Compose([*crop, *end]),
        transforms.Compose([transforms.Resize(job.resize), transforms.CenterCrop(job.crop), *end]),
    )


class Side:
    """Stock: everything one after the other, on the training thread."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.folder = Path(job.folder)
        self.folder.mkdir()
        self.model = model_of(job)
        self.state = training.make_state(job.state_bytes)
        self.best = -1.0
        self.epochs = 0
        self.make_loaders()

    def make_loaders(self) -> None:
        """Training's and validation's."""
        from torchvision.datasets import ImageFolder

        train, val = transforms_of(self.job)
        root = Path(self.job.root)
        self.train = self.loader(TorchDataLoader, ImageFolder(root / "train", train), "train")
        self.val = self.loader(TorchDataLoader, ImageFolder(root / "val", val), "val")
        work.tensorboard(str(self.folder))  # imports belong to no epoch
        import matplotlib.figure  # noqa: F401

    def loader(self, kind: Any, dataset: Any, split: str, **more: Any) -> Any:
        """The same arguments for both sides."""
        if split == "train":
            more["sampler"] = RandomSampler(dataset, num_samples=self.job.train_images)
        workers = self.job.workers
        return kind(
            dataset, self.job.batch_size, num_workers=workers, persistent_workers=workers > 0,
            **more,
        )  # fmt: skip

    def epoch(self) -> dict[str, Any]:
        """Both steps: seconds of each part, and checksums of what came out."""
        clock, number = Clock(), self.epochs
        self.epochs += 1
        self.model.begin(number)
        # What the optimizer does to weights and moments; it is the accelerator's time.
        training.fill(self.state, number)
        for images, labels in _timed(self.train, clock, "train wait"):
            with clock("train steps"):
                self.model.train(images, labels)
        found = self.second_step(number, clock) if self.job.side != "alone" else {}
        return {"seconds": clock.seconds, "cache_bytes": self.cache_bytes(), **found}

    def cache_bytes(self) -> int:
        """Memory of the validation cache, which no process has mapped."""
        return 0

    def second_step(self, number: int, clock: Clock) -> dict[str, Any]:
        """Validation, metrics, plots, logs, checkpoint."""
        scores, targets, shown = [], [], None
        for images, labels in _timed(self.val, clock, "val wait"):
            with clock("val forward"):
                scores.append(self.model.forward(images))
                targets.append(labels)
                if shown is None:
                    shown = images[: work.SHOWN].numpy().copy()
        assert shown is not None
        with clock("metrics"):
            every, true = torch.cat(scores).numpy(), torch.cat(targets).numpy()
            top1 = work.top1(every, true)
        self.report(number, every, true, shown, clock)
        with clock("checkpoint"):
            self.save(number, top1)
        return {"batches": len(scores), "checksums": self.model.checksums, "top1": top1}

    def report(
        self, number: int, scores: np.ndarray, targets: np.ndarray, images: np.ndarray, clock: Clock
    ) -> None:
        """Metrics, plots, logs."""
        with clock("metrics"):
            found = work.metrics(scores, targets)
        with clock("plots"):
            work.draw(self.folder, number, found, images)
        with clock("logs"):
            work.log(self.folder, number, found)

    def save(self, number: int, top1: float) -> None:  # noqa: ARG002
        """The latest, and the best where it is better; as YOLOv5 does."""
        torch.save(self.state, self.folder / "last.pt")
        if top1 > self.best:
            self.best = top1
            torch.save(self.state, self.folder / "best.pt")

    def finish(self) -> dict[str, Any]:
        """Wait for what is under way, then verify the checkpoints; returns what was written."""
        began = time.perf_counter()
        self.close()
        closing = time.perf_counter() - began
        if self.job.side == "alone":
            return {}
        saved = {}
        for path in sorted(self.folder.glob("*.pt")):
            state = torch.load(path)
            step = round(float(training.tensors_of(state)[0].flatten()[0]) / 1000)
            wrong = training.differing(state, step)
            if wrong:
                raise SystemExit(f"{path}: {wrong} tensors are not as they were saved")
            saved[path.stem] = step
        if saved.get("last") != self.epochs - 1:
            raise SystemExit(f"expected last.pt of epoch {self.epochs - 1}, found {saved}")
        files = work.written(self.folder)
        shutil.rmtree(self.folder)
        return {"closing_seconds": closing, "checkpoints": saved, "written": files}

    def close(self) -> None:
        """End all."""


class Fastload(Side):
    """The same loop with fastload's parts."""

    def has(self, part: str) -> bool:
        """Whether a part is used."""
        return self.job.side != "alone" and part not in self.job.without

    def cache_bytes(self) -> int:
        """As the loader says."""
        return int(self.val.statistics().cache_bytes)

    def make_loaders(self) -> None:
        """And what works behind the training thread."""
        from fastload import (
            AsyncCheckpointer,
            BackgroundWorker,
            DataLoader,
            LMDBDataset,
            overlap_validation,
        )

        train, val = transforms_of(self.job)
        store = self.job.store
        self.train = self.loader(DataLoader, LMDBDataset(store, train, split="train"), "train")
        self.val = self.loader(
            DataLoader, LMDBDataset(store, val, split="val"), "val",
            cache="memory" if self.has("cache") else None,
            cache_bytes=self.job.cache_bytes or "auto",
        )  # fmt: skip
        for loader in (self.train, self.val):
            if loader.plan().path != "engine":
                raise SystemExit(f"expected the engine, found\n{loader.plan()}")
        if self.has("overlap"):
            overlap_validation(self.train, self.val)
        self.checkpointer = self.background = None
        if self.has("checkpoint"):
            self.checkpointer = AsyncCheckpointer(self.folder, keep_last=2, best="top1")
        if self.has("background"):
            self.background = BackgroundWorker(executor=self.job.executor)
        elif self.job.side != "alone":
            work.tensorboard(str(self.folder))
            import matplotlib.figure  # noqa: F401

    def report(
        self, number: int, scores: np.ndarray, targets: np.ndarray, images: np.ndarray, clock: Clock
    ) -> None:
        """All of it at once, in the background."""
        if self.background is None:
            super().report(number, scores, targets, images, clock)
            return
        with clock("metrics"):
            self.background.submit(work.report, self.folder, number, scores, targets, images)

    def save(self, number: int, top1: float) -> None:
        """Copies the state and returns."""
        if self.checkpointer is None:
            super().save(number, top1)
            return
        self.checkpointer.save(self.state, step=number, metrics={"top1": top1})

    def close(self) -> None:
        """Drains both."""
        for part in (self.background, self.checkpointer):
            if part is not None:
                part.close()


def _timed(loader: Any, clock: Clock, part: str) -> Iterator[Any]:
    """The loader's batches; what each was waited for counts."""
    with clock(part):
        batches = iter(loader)
    while True:
        with clock(part):
            batch = next(batches, None)
        if batch is None:
            return
        yield batch
