"""Power goes at any moment: the old or the new checkpoint is there, and nothing told is lost."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from fastload.checkpoint import AsyncCheckpointer, load_checkpoint, load_latest
from fastload.errors import CheckpointDamagedError
from support.checkpoints import names
from support.power_loss import Recorder, lose_power

STEPS = 6


def record(folder: Path, options: dict[str, Any]) -> Recorder:
    """A run of some saves with all that can happen to names."""
    disk = Recorder()
    with AsyncCheckpointer(folder, file_ops=disk, keep_last=2, **options) as checkpointer:
        for step in range(STEPS):
            state = {"step": torch.tensor(step), "w": torch.full((80_000,), float(step))}
            checkpointer.save(state, step=step, metrics={"m": (step * 2) % 5}).result()
            disk.told(step)
    return disk


@pytest.mark.parametrize(
    ("options", "count"),
    [
        ({"best": "m"}, 50),
        ({"best": "m", "aliases": "link"}, 20),
        ({"last_name": ""}, 20),
        ({"best": "m", "format": "safetensors"}, 10),
    ],
    ids=["copies", "links", "no names", "safetensors"],
)
def test_old_or_new_state_never_a_mix(tmp_path: Path, options: dict[str, Any], count: int):
    """And the next start finds its way from there."""
    disk = record(tmp_path / "recorded", options)
    source = random.Random(1)
    folder = tmp_path / "after"
    lost = 0
    for _ in range(count):
        told = lose_power(disk.events, source, folder)
        found = load_latest(folder)
        if found is None:
            assert told == -1
        else:
            assert found.skipped == []
            assert found.step >= told
            assert found.state["step"] == found.step
            assert found.state["w"].unique().tolist() == [found.step]
        lost += any(name.startswith(".") for name in names(folder))
        if told >= 0 and options.get("best"):
            suffix = ".safetensors" if options.get("format") else ".pt"
            assert load_checkpoint(folder / f"last{suffix}").step >= told
            load_checkpoint(folder / f"best{suffix}")
        with AsyncCheckpointer(folder, keep_last=1, **options) as checkpointer:
            checkpointer.save({"step": torch.tensor(9)}, step=9, metrics={"m": 99}).result()
        left = {name.split(".")[0] for name in names(folder)}
        assert left - {"best", "last"} == {"step-000000009"}
        shutil.rmtree(folder)
    assert lost > count / 10, "power should go in the middle of writes"


@pytest.mark.parametrize("left_out", ["sync", "sync_folder"])
def test_the_same_moments_find_a_missing_sync(tmp_path: Path, left_out: str):
    """Else they would prove nothing."""
    disk = record(tmp_path / "recorded", {})
    events = [event for event in disk.events if event.kind != left_out]
    source = random.Random(1)
    bad = 0
    for number in range(40):
        folder = tmp_path / str(number)
        told = lose_power(events, source, folder)
        try:
            found = load_latest(folder)
            bad += found is None and told >= 0
            bad += found is not None and (bool(found.skipped) or found.step < told)
        except CheckpointDamagedError:
            bad += 1
    assert bad > 5
