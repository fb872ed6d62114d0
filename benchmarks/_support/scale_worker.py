"""One measurement of scale, in a process of its own; prints one line of JSON.

    python scale_worker.py '{"store": PATH, "samples": N, ...}'

``samples`` beyond those of the store are a torch ``Subset`` that repeats them. The clock for
opening starts behind all imports.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and torch
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np  # noqa: E402 - after the environment
import torch  # noqa: E402
from peers import process  # noqa: E402
from torch.utils.data import Subset  # noqa: E402
from torchvision import transforms  # noqa: E402

from fastload import DataLoader, LMDBDataset  # noqa: E402

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EPOCHS = 5  # whose beginnings are timed


def measure(what: dict[str, Any]) -> dict[str, Any]:
    """Open, begin several epochs, then take batches for ``seconds``."""
    size = what["size"]
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(size),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )
    torch.manual_seed(0)
    before = process.memory()["rss_anonymous"]
    started = time.perf_counter()
    dataset: Any = LMDBDataset(what["store"], transform)
    opened = time.perf_counter()
    count = len(dataset)
    if what["samples"] > count:
        dataset = Subset(dataset, np.resize(np.arange(count), what["samples"]).tolist())
    opened_memory = process.memory()["rss_anonymous"]
    budget: Any = what.get("memory_budget_bytes", "auto")
    loader = DataLoader(
        dataset, what["batch_size"], shuffle=True, drop_last=True,
        num_workers=what["threads"], memory_budget_bytes=budget,
    )  # fmt: skip
    if loader.plan().path != "engine":
        raise SystemExit(f"expected the engine, found\n{loader.plan()}")

    begun, first = [], []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        iterator = iter(loader)
        begun.append(time.perf_counter() - start)
        images, labels = next(iterator)
        first.append(time.perf_counter() - start)
        check(images, labels, what)
        del iterator, images, labels

    images_count, most_bytes = 0, 0
    start = now = time.perf_counter()
    while now - start < what["seconds"]:
        for batch in loader:
            images_count += len(batch[0])
            now = time.perf_counter()
            if now - start >= what["seconds"]:
                break
    taken = now - start
    check(*batch, what)
    del batch
    # Apart from the rate: looking at the memory takes milliseconds.
    for number, _ in enumerate(loader):
        most_bytes = max(most_bytes, process.memory()["rss_anonymous"])
        if number == 20:
            break
    return {
        "samples": len(dataset),
        "open_milliseconds": (opened - started) * 1e3,
        "begin_milliseconds": [seconds * 1e3 for seconds in begun],
        "first_batch_milliseconds": [seconds * 1e3 for seconds in first],
        "images_per_second": images_count / taken,
        "anonymous_bytes_imported": before,
        "anonymous_bytes_opened": opened_memory - before,
        "anonymous_bytes_running": most_bytes - before,
        "memory_budget_bytes": loader.memory_budget_bytes,
    }


def check(images: torch.Tensor, labels: torch.Tensor, what: dict[str, Any]) -> None:
    """What a batch must be; that its values are right is throughput.py's and the tests' matter."""
    expected = (what["batch_size"], 3, what["size"], what["size"])
    if images.shape != expected or images.dtype != torch.float32 or len(labels) != len(images):
        raise SystemExit(f"expected float32 {expected}, found {images.dtype} {images.shape}")
    if not bool(torch.isfinite(images).all()) or float(images.std()) < 0.05:
        raise SystemExit("expected values of photos")


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
