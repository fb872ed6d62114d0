"""What tools/demo runs: pack photos, compare pixels, measure, train, and say what came of it."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import torch
import torch.utils.data
from demo_photos import make_folder
from torch import nn
from torchvision import transforms
from torchvision.datasets.folder import default_loader

import fastload
from fastload.convert import Summary, pack

BATCH_SIZE = 32
EPOCHS = 2
ROUNDS = 3
MAX_COMPARED = 2000
MAX_TIMED = 1024

TRANSFORM = transforms.Compose(
    [
        transforms.RandomResizedCrop(128, scale=(0.4, 1.0)),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
        transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    ]
)


class Files(torch.utils.data.Dataset[Any]):
    """The photos from their files, as torchvision's ImageFolder reads them."""

    def __init__(self, samples: list[tuple[str, int]], transform: Callable[[Any], Any]) -> None:
        self.samples = samples
        self.transform = transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, target = self.samples[index]
        return self.transform(default_loader(path)), target


def main() -> None:
    """Read the arguments and go through the steps."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--photos", type=int, default=320)
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    workers = len(os.sched_getaffinity(0))

    folder = arguments.folder
    if folder is None:
        folder = arguments.work / "photos"
        started = time.perf_counter()
        make_folder(folder, arguments.photos)
        report("photos", f"{arguments.photos} made ones in {folder} ({seconds_since(started)})")

    summary = pack_folder(folder, arguments.work / f"{folder.resolve().name}.lmdb")
    store = summary.stores[0]
    splits = list(summary.contents.splits)
    split = "train" if "train" in splits else (splits[0] if splits else None)
    compare_pixels(store, split)
    compare_rates(store, split, workers)
    train(store, split, workers)
    report("store", f"{store}; look at it: {Path(sys.executable).parent}/fastload inspect {store}")


def pack_folder(folder: Path, store: Path) -> Summary:
    """Pack ``folder`` anew and report sizes."""
    store.parent.mkdir(parents=True, exist_ok=True)
    summary = pack(folder, store, overwrite=True, restart=True)
    contents = summary.contents
    codecs = ", ".join(f"{count} {codec}" for codec, count in sorted(contents.codecs.items()))
    rate = summary.packed_photos / summary.seconds
    report(
        "packed",
        f"{contents.photos} photos of {summary.class_count} classes in {summary.seconds:.1f} s "
        f"({rate:.0f} photos/s); {codecs}; {summary.problems_count} could not be read",
    )
    report(
        "sizes",
        f"files {megabytes(contents.source_bytes)}, store {megabytes(summary.store_bytes)} "
        f"({summary.growth_percent:+.1f} %)",
    )
    return summary


def compare_pixels(store: Path, split: str | None) -> None:
    """Compare samples of the store with what Pillow decodes from the files."""
    dataset = fastload.LMDBDataset(store, split=split)
    count = min(len(dataset), MAX_COMPARED)
    values = differing = 0
    for index in range(count):
        found, expected = np.asarray(dataset[index][0]), dataset.samples[index][0]
        wanted = np.asarray(default_loader(expected))
        values += wanted.size
        differing += int(np.count_nonzero(found != wanted))
    report(
        "pixels",
        f"{differing} of {values:,} values of {count} photos differ from those of "
        f"Pillow {PIL.__version__}",
    )
    if differing:
        raise SystemExit("the store's pixels are not the files'")


def compare_rates(store: Path, split: str | None, workers: int) -> None:
    """Time one pass of each loader, in turns, with the files in the page cache."""
    packed = fastload.LMDBDataset(store, TRANSFORM, split=split)
    count = min(len(packed), MAX_TIMED)
    files = torch.utils.data.Subset(Files(packed.samples, TRANSFORM), range(count))
    options: dict[str, Any] = {"batch_size": BATCH_SIZE, "shuffle": True, "num_workers": workers}
    loaders = {
        "torch on files": torch.utils.data.DataLoader(files, **options),
        "fastload": fastload.DataLoader(torch.utils.data.Subset(packed, range(count)), **options),
    }
    rates: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(ROUNDS):
        for name, loader in loaders.items():
            started = time.perf_counter()
            seen = sum(len(targets) for _, targets in loader)
            rates[name].append(seen / (time.perf_counter() - started))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    baseline = medians["torch on files"]
    told = ", ".join(
        f"{name} {rate:.0f} ({rate / baseline:.2f}x)" for name, rate in medians.items()
    )
    report("rates", f"images/s, {workers} workers, median of {ROUNDS} in turns: {told}")


def train(store: Path, split: str | None, workers: int) -> None:
    """Train a small network for two epochs through ``fastload.DataLoader``."""
    dataset = fastload.LMDBDataset(store, TRANSFORM, class_or_zero, split=split)
    loader = fastload.DataLoader(dataset, BATCH_SIZE, shuffle=True, num_workers=workers)
    network = small_network(max(1, len(dataset.classes)))
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-3)
    for epoch in range(1, EPOCHS + 1):
        started, seen, correct, total_loss = time.perf_counter(), 0, 0, 0.0
        for images, targets in loader:
            scores = network(images)
            loss = nn.functional.cross_entropy(scores, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            seen += len(targets)
            correct += int((scores.argmax(1) == targets).sum())
            total_loss += loss.item() * len(targets)
        report(
            f"epoch {epoch}",
            f"loss {total_loss / seen:.3f}, {100 * correct / seen:.0f} % right, "
            f"{seen / (time.perf_counter() - started):.0f} images/s in {seconds_since(started)}",
        )


def class_or_zero(target: int) -> int:
    """Class 0 for photos without a class."""
    return max(target, 0)


def small_network(classes: int) -> nn.Sequential:
    """Four convolutions for [N, 3, 128, 128]."""
    layers: list[nn.Module] = []
    for before, after in ((3, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, 2, 1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def report(topic: str, text: str) -> None:
    """Print one line of what was done."""
    print(f"{topic:>8}  {text}", flush=True)


def megabytes(count_bytes: int) -> str:
    """Bytes in MB, for people."""
    return f"{count_bytes / 1e6:.1f} MB"


def seconds_since(started: float) -> str:
    """Seconds since ``started``, for people."""
    return f"{time.perf_counter() - started:.1f} s"


if __name__ == "__main__":
    main()
