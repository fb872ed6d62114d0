"""What the second step's epochs come to: figures, a table, bars in the terminal, a picture."""

from __future__ import annotations

import statistics
import textwrap
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from _support import report
from _support.second_step_sides import PARTS, SECOND

#: part -> letter in the terminal, colour
STYLES = {
    "train wait": ("w", "#8d99ae"),
    "train steps": ("T", "#3d5a80"),
    "val wait": ("v", "#d1495b"),
    "val forward": ("F", "#7fb069"),
    "metrics": ("m", "#edae49"),
    "plots": ("p", "#b56576"),
    "logs": ("l", "#6d597a"),
    "checkpoint": ("c", "#00798c"),
}
_WIDTH = 72  # letters of the longest bar

Epochs = list[dict[str, Any]]


def second_seconds(parts: dict[str, float]) -> float:
    """All behind training."""
    return sum(parts[part] for part in SECOND)


def summary(
    epochs: Epochs, alone: Epochs, finished: list[dict[str, Any]], forward_seconds: float | None
) -> dict[str, Any]:
    """Figures of a side.

    Args:
        epochs: of all rounds, each with "epoch", "round", "seconds".
        alone: likewise, of training without a second step.
        finished: a round each.
        forward_seconds: of a batch, where that is stated; None: what was measured.
    """
    training = {(epoch["round"], epoch["epoch"]): train_seconds(epoch) for epoch in alone}
    found: dict[str, Any] = {
        "closing_seconds": statistics.median(own["closing_seconds"] for own in finished)
    }
    for name, own in phases(epochs).items():
        over, slowed = [], []
        for epoch in own:
            forward = (
                epoch["seconds"]["val forward"]
                if forward_seconds is None
                else forward_seconds * epoch["batches"]
            )
            over.append(second_seconds(epoch["seconds"]) / forward - 1)
            slowed.append(train_seconds(epoch) / training[epoch["round"], epoch["epoch"]] - 1)
        found[name] = {
            "seconds": {
                part: statistics.median(epoch["seconds"][part] for epoch in own) for part in PARTS
            },
            "second_step_seconds": spread([second_seconds(epoch["seconds"]) for epoch in own]),
            "second_step_over_forward": spread(over),
            "training_over_training_alone": spread(slowed),
            "pss_bytes": max(
                epoch["memory"]["pss_anonymous"] + epoch["memory"]["pss_shared"] for epoch in own
            ),
            "cache_bytes": max(epoch["cache_bytes"] for epoch in own),  # not part of the former
        }
    return found


def phases(epochs: Epochs) -> dict[str, Epochs]:
    """The first epochs of all rounds, and the later ones."""
    first = [epoch for epoch in epochs if epoch["epoch"] == 0]
    later = [epoch for epoch in epochs if epoch["epoch"] > 0]
    return {"first": first} | ({"later": later} if later else {})


def train_seconds(epoch: dict[str, Any]) -> float:
    """Its first step."""
    return float(epoch["seconds"]["train wait"] + epoch["seconds"]["train steps"])


def spread(values: list[float]) -> dict[str, Any]:
    """Median, extremes and all."""
    return {
        "median": statistics.median(values),
        "min": min(values),
        "max": max(values),
        "values": values,
    }


def show(title: str, found: dict[str, dict[str, Any]]) -> None:
    """Print the table and the bars."""
    lines = []
    for label, row in rows_of(found):
        seconds = row["seconds"]
        train = seconds["train wait"] + seconds["train steps"]
        over, slowed = row["second_step_over_forward"], row["training_over_training_alone"]
        lines.append(
            [
                label,
                f"{train:.2f}",
                f"{seconds['train wait']:.2f}",
                f"{seconds['val wait']:.2f}",
                f"{seconds['val forward']:.2f}",
                f"{seconds['metrics']:.2f}",
                f"{seconds['plots'] + seconds['logs']:.2f}",
                f"{seconds['checkpoint']:.2f}",
                f"{row['second_step_seconds']['median']:.2f}",
                f"{over['median']:+.0%}",
                f"{slowed['median']:+.1%}",
            ]
        )
    columns = [
        "", "train", "waits", "val waits", "forward", "metrics", "plots, logs", "save", "2nd step",
        "over", "slowed",
    ]  # fmt: skip
    report.table(title, columns, lines)
    print(
        "Seconds of the first and the later epochs. waits: for batches, part of train. save: the\n"
        "checkpoint. over: the second step over the model's own forward time. slowed: train over\n"
        "fastload's without a second step."
    )
    console = Console(width=None if Console().is_terminal else 120, highlight=False)
    most = max(total(row) for _, row in rows_of(found))
    width = max(len(label) for label, _ in rows_of(found))
    for label, row in rows_of(found):
        bar = Text(f"{label:{width}} ")
        done, drawn = 0.0, 0
        for part in PARTS:
            done += row["seconds"][part]
            letters = round(done / most * _WIDTH) - drawn
            drawn += letters
            letter, color = STYLES[part]
            bar.append(letter * letters, style=f"{color} reverse")
        bar.append(f" {total(row):.1f} s")
        console.print(bar)
    legend = Text()
    for part, (letter, color) in STYLES.items():
        legend.append(letter, style=f"{color} reverse")
        legend.append(f" {part}  ")
    console.print(legend)


def total(row: dict[str, Any]) -> float:
    """An epoch."""
    return float(sum(row["seconds"].values()))


def rows_of(found: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Label and figures of each bar."""
    return [
        (f"{side}, {phase}", own[phase])
        for side, own in found.items()
        for phase in ("first", "later")
        if phase in own
    ]


def draw(path: Path, title: str, caption: str, found: dict[str, dict[str, Any]]) -> None:
    """Stacked bars as a picture; the path's suffix tells the format."""
    from matplotlib.figure import Figure

    rows = rows_of(found)
    figure = Figure(figsize=(10, 1.9 + 0.5 * len(rows)))
    panel = figure.subplots()
    places = range(len(rows))[::-1]
    left = [0.0] * len(rows)
    for part in PARTS:
        widths = [row["seconds"][part] for _, row in rows]
        panel.barh(places, widths, left=left, color=STYLES[part][1], label=part, height=0.7)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    for place, end in zip(places, left, strict=True):
        panel.text(end, place, f" {end:.1f} s", va="center", fontsize=9)
    panel.set_yticks(places, [label for label, _ in rows])
    panel.set(xlabel="seconds an epoch", xlim=(0, max(left) * 1.1))
    figure.suptitle(textwrap.fill(title, 125), fontsize=10, x=0.01, ha="left")
    panel.spines[["top", "right"]].set_visible(False)
    panel.legend(ncols=len(PARTS), fontsize=7.5, loc="upper center", bbox_to_anchor=(0.45, -0.18))
    figure.text(0.01, 0.01, textwrap.fill(caption, 150), fontsize=7, color="#555555")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=130)
