"""What the turns of the loaders come to: figures, a table, a picture."""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from peers import rows

from _support import picture, report
from _support.timing import Measurement, ratio


def summary(
    turns: dict[str, list[dict[str, Any]]],
    ready: dict[str, dict[str, Any]],
    compared: dict[str, Any],
    left_out: dict[str, str],
) -> dict[str, Any]:
    """Figures of a mode, by row."""
    seconds = {
        name: Measurement(tuple(turn["seconds"] / turn["images"] for turn in own))
        for name, own in turns.items()
    }
    found = {}
    for row in rows.ROWS:
        if row.module not in turns:
            continue
        own = turns[row.module]
        rates = [turn["images"] / turn["seconds"] for turn in own]

        def an_image(key: str, own: list[dict[str, Any]] = own) -> float:
            return statistics.median(turn[key] / turn["images"] for turn in own)

        found[row.module] = {
            "label": row.label,
            "loader": row.loader,
            "ours": row.exact,
            "images_per_second": {
                "median": statistics.median(rates),
                "min": min(rates),
                "max": max(rates),
                "rounds": rates,
            },
            "spread": seconds[row.module].spread,
            "ratio": ratio(seconds[rows.BASE], seconds[row.module]),
            "cpu_milliseconds_per_image": an_image("cpu_seconds") * 1e3,
            # an upper bound of the GIL's share; see process.python_threads_cpu_seconds
            "python_threads_microseconds_per_image": an_image("python_threads_cpu_seconds") * 1e6,
            "memory": {
                key: statistics.median(turn["memory"][key] for turn in own)
                for key in own[0]["memory"]
            },
            "deviation": compared.get(row.module),
            **ready[row.module],
        }
    best = max(
        (name for name, entry in found.items() if entry["loader"] and not entry["ours"]),
        key=lambda name: found[name]["ratio"],
    )
    cpu = {name: entry["cpu_milliseconds_per_image"] for name, entry in found.items()}
    ratios = {
        f"{ours} / {other}": {
            "rate": ratio(seconds[other], seconds[ours]),
            # a busy machine disturbs CPU time less; its clock ticks in hundredths of a second
            "cpu": cpu[other] / max(cpu[ours], 1e-3),
        }
        for ours in (rows.STORE, rows.FILES)
        for other in dict.fromkeys((rows.BASE, "torch_io", best))
        if ours in seconds and other in seconds
    }
    if rows.CORE in seconds and rows.STORE in seconds:
        ratios["core functions alone / fastload_store"] = {
            "rate": ratio(seconds[rows.STORE], seconds[rows.CORE]),
            "cpu": cpu[rows.STORE] / max(cpu[rows.CORE], 1e-3),
        }
    return {"rows": found, "best_peer": best, "ratios": ratios, "left_out": left_out}


def _exactness(entry: dict[str, Any]) -> str:
    compared = entry["deviation"]
    if compared is None:
        same = entry.get("compared_with_torchvision")
        return "same bits" if same else "-"
    if compared["bit_equal"]:
        return "same bits"
    return f"{compared['mean_steps']:.3g} ({compared['max_steps']:.0f})"


def show(mode: str, options: argparse.Namespace, found: dict[str, Any]) -> None:
    """Print a mode's table."""
    lines = []
    for entry in found["rows"].values():
        memory = entry["memory"]
        own = entry["python_threads_microseconds_per_image"]
        lines.append(
            [
                entry["label"],
                f"{entry['images_per_second']['median']:,.0f}",
                f"{entry['spread']:.0%}",
                f"{entry['ratio']:.2f}",
                f"{entry['cpu_milliseconds_per_image']:.2f}",
                f"{own:.1f}" if entry["ours"] and entry["loader"] else "-",
                f"{memory['rss_anonymous'] / 1e6:,.0f}",
                f"{(memory['pss_anonymous'] + memory['pss_shared']) / 1e6:,.0f}",
                _exactness(entry),
            ]
        )
    report.table(
        f"{mode}: {options.workers} workers, batch {options.batch_size}, "
        f"medians of {options.rounds} interleaved rounds of {options.seconds:g} s",
        [
            "", "images/s", "spread", "x PIL", "CPU ms", "GIL us", "RssAnon MB", "PSS MB",
            "off PIL",
        ],
        lines,
    )  # fmt: skip
    print(
        "x PIL: median over the rounds. CPU, GIL: an image; GIL at most: CPU time of the threads\n"
        "that run Python. RssAnon: of all processes, what a fork shares counted in each. PSS:\n"
        "anonymous and shared memory, counted once. off PIL: mean (most) steps of 0..255."
    )
    for name, value in found["ratios"].items():
        print(f"{name}: {value['rate']:.2f} by rate, {value['cpu']:.2f} by CPU time an image")
    for label, why in found["left_out"].items():
        print(f"left out: {label}: {why}")
    for entry in found["rows"].values():
        if "note" in entry:
            print(f"{entry['label']}: {entry['note']}")


def show_disturbance(found: dict[str, Any]) -> None:
    """Print how much a counting thread is slowed."""
    for name, entry in found.items():
        print(
            f"{name}: with {entry['workers']} workers ({entry['images_per_second']:,.0f} images/s)"
            f" a thread that counts in Python is slowed by {entry['slowed']:.1%}, the same in "
            f"another process by {entry['slowed_in_another_process']:.1%}: "
            f"{entry['slowed_by_the_gil']:.1%} are the GIL's"
        )


def draw(options: argparse.Namespace, photos: str, modes: dict[str, Any]) -> None:
    """Write the picture."""
    panels = {
        mode: [entry for entry in found["rows"].values() if entry["loader"]]
        for mode, found in modes.items()
    }
    versions = next(iter(modes.values()))["rows"][rows.BASE]["versions"]
    caption = (
        f"{photos}. {options.workers} workers, batch {options.batch_size}; medians of "
        f"{options.rounds} interleaved rounds, lines from lowest to highest. In brackets: times "
        f"torch {versions['torch']} + torchvision {versions['torchvision']} + Pillow "
        f"{versions['pillow']}."
    )
    picture.bars(options.picture, panels, caption)
