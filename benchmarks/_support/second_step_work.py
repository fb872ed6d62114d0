"""Metrics, plots and logs of a second step: the same on both sides.

Functions alone, so that they can be called here, in a thread, or by another process.
"""

from __future__ import annotations

import csv
import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

CURVES = 20  # classes whose precision-recall curves are drawn
SHOWN = 16  # images that are drawn

Found = dict[str, Any]


def top1(scores: np.ndarray, targets: np.ndarray) -> float:
    """The share of samples whose highest score is their class's: cheap, and decides what is best.

    Args:
        scores: float32 [samples, classes].
        targets: int64 [samples].
    """
    return float((scores.argmax(1) == targets).mean())


def metrics(scores: np.ndarray, targets: np.ndarray) -> Found:
    """Top-1, top-5, confusion, and for each class precision, recall, F1 and average precision."""
    samples, classes = scores.shape
    best = np.argpartition(scores, -min(5, classes), axis=1)[:, -min(5, classes) :]
    predicted = scores.argmax(1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (targets, predicted), 1)
    hits = np.diag(confusion)
    precision = hits / np.maximum(confusion.sum(0), 1)
    recall = hits / np.maximum(confusion.sum(1), 1)
    average, curves = np.zeros(classes), []
    for label in range(classes):
        order = np.argsort(-scores[:, label], kind="stable")
        right = targets[order] == label
        found = np.cumsum(right)
        precise = found / np.arange(1, samples + 1)
        average[label] = precise[right].mean() if found[-1] else 0.0
        if label < CURVES:
            curves.append((found / max(found[-1], 1), precise))
    return {
        "top1": float((predicted == targets).mean()),
        "top5": float((best == targets[:, None]).any(1).mean()),
        "map": float(average.mean()),
        "f1": float((2 * precision * recall / np.maximum(precision + recall, 1e-9)).mean()),
        "confusion": confusion,
        "average_precision": average,
        "curves": curves,
    }


def draw(folder: Path, epoch: int, found: Found, images: np.ndarray) -> None:
    """Three pictures: the confusion, precision-recall curves, and the first images.

    Args:
        folder: that they are written to.
        epoch: for their names.
        found: of `metrics`.
        images: float32 [n, 3, height, width].
    """
    from matplotlib.figure import Figure  # without pyplot: no state that threads would share

    figure = Figure(figsize=(9, 8))
    panel = figure.subplots()
    figure.colorbar(panel.imshow(found["confusion"], cmap="Blues"))
    panel.set(xlabel="predicted", ylabel="true", title=f"epoch {epoch}: {found['top1']:.2%} right")
    figure.savefig(folder / f"confusion-{epoch}.png", dpi=150)

    figure = Figure(figsize=(9, 6))
    panel = figure.subplots()
    for number, (recall, precision) in enumerate(found["curves"]):
        area = found["average_precision"][number]
        panel.plot(recall, precision, linewidth=1, label=f"class {number}: {area:.3f}")
    panel.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    panel.legend(bbox_to_anchor=(1.02, 1), loc="upper left", fontsize=7)
    figure.savefig(folder / f"curves-{epoch}.png", dpi=150)

    figure = Figure(figsize=(8, 8))
    for place, image in zip(figure.subplots(4, 4).flat, images[:SHOWN], strict=False):
        low, high = image.min(), image.max()
        place.imshow(((image - low) / max(float(high - low), 1e-6)).transpose(1, 2, 0))
        place.axis("off")
    figure.savefig(folder / f"images-{epoch}.png", dpi=150)


def log(folder: Path, epoch: int, found: Found) -> None:
    """A line of results.csv, and TensorBoard's scalars where that is installed."""
    numbers = {name: found[name] for name in ("top1", "top5", "map", "f1")}
    path = folder / "results.csv"
    is_new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["epoch", *numbers])
        writer.writerow([epoch, *numbers.values()])
    writer = tensorboard(str(folder))
    if writer is not None:
        for name, value in numbers.items():
            writer.add_scalar(f"val/{name}", value, epoch)
        writer.add_histogram("val/average_precision", found["average_precision"], epoch)
        writer.flush()


def report(
    folder: Path, epoch: int, scores: np.ndarray, targets: np.ndarray, images: np.ndarray
) -> None:
    """All of it, in order."""
    found = metrics(scores, targets)
    draw(folder, epoch, found, images)
    log(folder, epoch, found)


@functools.cache
def tensorboard(folder: str) -> Any:
    """The writer of a folder, one a process; None where TensorBoard is not installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)


def written(folder: Path) -> dict[str, str]:
    """What the files of a folder hold, by name; scalars alone of TensorBoard's, which has times."""
    from fastload import _core

    found = {
        path.name: f"{_core.xxh3_64(path.read_bytes()):016x}"
        for path in sorted(folder.iterdir())
        if path.suffix in (".png", ".csv")
    }
    events = list(folder.glob("events.*"))
    if events:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

        values = [
            (event.step, value.tag, float(value.tensor.float_val[0]))
            for path in events
            for event in EventFileLoader(str(path)).Load()
            for value in event.summary.value
            if value.tensor.float_val
        ]
        found["TensorBoard"] = f"{_core.xxh3_64(repr(sorted(values)).encode()):016x}"
    return found
