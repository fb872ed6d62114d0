"""AsyncCheckpointer: what is saved, under which names, and what stays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torchvision.transforms import v2

from fastload import DataLoader, LMDBDataset
from fastload.checkpoint import (
    AsyncCheckpointer,
    gather_state,
    load_checkpoint,
    restore_state,
)
from fastload.errors import CheckpointError
from support.checkpoints import names, state


@pytest.mark.parametrize("writer", ["thread", "process"])
@pytest.mark.parametrize("file_format", ["torch", "safetensors"])
def test_what_is_saved_is_loaded(tmp_path: Path, writer: Any, file_format: Any):
    """Both writers, both formats, several saves, growing and shrinking."""
    folder = tmp_path / "made" / "on the way"
    with AsyncCheckpointer(folder, writer=writer, format=file_format) as checkpointer:
        for step, size in enumerate((10, 3_000_000, 5)):
            weights = {"a": torch.full((size,), step), "b.c": torch.ones(2, 3).t()}
            metrics = {"loss": torch.tensor(0.5)}
            handle = checkpointer.save(weights, step=np.int64(step), metrics=metrics)
        suffix = ".pt" if file_format == "torch" else ".safetensors"
        assert handle.result(60) == folder / f"step-000000002{suffix}"
        assert handle.done()
        found = checkpointer.load_latest()
        assert found is not None
        assert (found.step, found.metrics, found.skipped) == (2, {"loss": 0.5}, [])
        for name, tensor in weights.items():
            assert torch.equal(found.state[name], tensor)
        middle = load_checkpoint(folder / handle.path.name.replace("2", "1"))
        assert torch.equal(middle.state["a"], torch.full((3_000_000,), 1))


def test_names_last_and_best(tmp_path: Path):
    """Last follows each save, best the metric; neither is the checkpoint's own file."""
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        for step, fitness in enumerate((0.1, 0.5, math.nan, 0.5, 0.3)):
            checkpointer.save(state(step), step=step, metrics={"fitness": fitness})
        checkpointer.save(state(5), step=5)
    assert names(tmp_path) == ["best.pt", "last.pt", *(f"step-00000000{i}.pt" for i in range(6))]
    assert load_checkpoint(tmp_path / "best.pt").step == 1, "the first of equals"
    assert load_checkpoint(tmp_path / "last.pt").step == 5
    inodes = {(tmp_path / name).stat().st_ino for name in names(tmp_path)}
    assert len(inodes) == 8
    # Another run knows the best of this one.
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        checkpointer.save(state(6), step=6, metrics={"fitness": 0.4})
    assert load_checkpoint(tmp_path / "best.pt").step == 1
    assert load_checkpoint(tmp_path / "last.pt").step == 6
    (tmp_path / "best.pt").unlink()
    with AsyncCheckpointer(tmp_path, best="fitness") as checkpointer:
        checkpointer.save(state(7), step=7, metrics={"fitness": 0.4})
    assert load_checkpoint(tmp_path / "best.pt").step == 1, "put back with the next save"


def test_linked_names_write_nothing_twice(tmp_path: Path):
    """For folders that only fastload writes to."""
    options: Any = {"best": "loss", "mode": "min", "aliases": "link"}
    with AsyncCheckpointer(tmp_path, **options) as checkpointer:
        for step, loss in enumerate((3.0, 2.0, 2.5)):
            path = checkpointer.save(state(step), step=step, metrics={"loss": loss}).result()
        for _ in range(2):  # the same file again
            checkpointer.save(state(2), step=2, metrics={"loss": 2.5}).result()
    assert (tmp_path / "last.pt").samefile(path)
    assert (tmp_path / "best.pt").samefile(tmp_path / "step-000000001.pt")
    assert len(names(tmp_path)) == 5


def test_no_names_and_other_names(tmp_path: Path):
    """As a client wants them."""
    with AsyncCheckpointer(tmp_path, last_name="", best="m", best_name="top") as checkpointer:
        checkpointer.save(state(), step=0, metrics={"m": 1})
    assert names(tmp_path) == ["step-000000000.pt", "top.pt"]
    for bad in ("a/b", "..", "step-000000001"):
        with pytest.raises(ValueError, match="alias"):
            AsyncCheckpointer(tmp_path, last_name=bad + "/" if bad == ".." else bad)


def test_retention(tmp_path: Path):
    """The last two, every fifth, and the best stay."""
    options: Any = {"keep_last": 2, "keep_every": 5, "best": "m", "last_name": ""}
    with AsyncCheckpointer(tmp_path, **options) as checkpointer:
        for step in range(1, 14):
            checkpointer.save(state(step), step=step, metrics={"m": -abs(step - 7)})
    kept = [int(name[5:14]) for name in names(tmp_path) if name.startswith("step")]
    assert kept == [5, 7, 10, 12, 13]
    with AsyncCheckpointer(tmp_path, keep_last=1, last_name="") as checkpointer:
        checkpointer.save(state(14), step=14).result()
    assert [name for name in names(tmp_path) if name != "best.pt"] == ["step-000000014.pt"]


def test_a_run_that_goes_back_keeps_what_it_saves(tmp_path: Path):
    """Newest is what was saved last, not the highest step."""
    with AsyncCheckpointer(tmp_path, keep_last=2) as checkpointer:
        for step in (100, 200, 300):
            checkpointer.save(state(step), step=step)
    with AsyncCheckpointer(tmp_path, keep_last=2) as checkpointer:
        for step in (50, 60):
            checkpointer.save(state(step), step=step)
        found = checkpointer.load_latest()
    assert found is not None
    assert found.step == 60
    assert names(tmp_path) == ["last.pt", "step-000000050.pt", "step-000000060.pt"]


def test_the_same_step_again_replaces_it(tmp_path: Path):
    """In one step, as everything."""
    with AsyncCheckpointer(tmp_path) as checkpointer:
        for value in (1, 2):
            path = checkpointer.save(state(value), step=7).result()
        found = checkpointer.load_latest()
    assert found is not None
    assert found.state["value"] == 2
    assert names(tmp_path) == ["last.pt", path.name]


def test_wrong_arguments_are_named(tmp_path: Path):
    """Expected and found."""
    for options in (
        {"format": "onnx"},
        {"writer": "fork"},
        {"on_busy": "panic"},
        {"mode": "best"},
        {"aliases": "symlink"},
        {"snapshots": 0},
        {"keep_last": 0},
    ):
        with pytest.raises(ValueError, match="expected"):
            AsyncCheckpointer(tmp_path, **options)  # type: ignore[arg-type]
    with AsyncCheckpointer(tmp_path) as checkpointer, pytest.raises(ValueError, match="step"):
        checkpointer.save({}, step=-1)


def test_a_run_goes_on_bit_for_bit(tmp_path: Path):
    """Model, optimizer, scheduler and all random numbers, by weights_only loading."""
    import random

    import numpy as np

    def make() -> dict[str, Any]:
        model = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5))
        optimizer = torch.optim.Adam(model.parameters())
        scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 2)
        return {"model": model, "optimizer": optimizer, "scheduler": scheduler}

    def steps(parts: dict[str, Any], count: int) -> None:
        for _ in range(count):
            noise = random.random() + np.random.rand()  # noqa: NPY002
            parts["optimizer"].zero_grad()
            (parts["model"](torch.randn(3, 4)).sum() * noise).backward()
            parts["optimizer"].step()
            parts["scheduler"].step()

    torch.manual_seed(3)
    parts = make()
    steps(parts, 3)
    with AsyncCheckpointer(tmp_path) as checkpointer:
        checkpointer.save(gather_state(**parts, epoch=3), step=3)
        steps(parts, 3)
        found = checkpointer.load_latest()
    assert found is not None
    again = make()
    assert restore_state(found.state, **again) == {"epoch": 3}
    steps(again, 3)
    for one, other in zip(parts["model"].parameters(), again["model"].parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_closed_one_says_so(tmp_path: Path):
    """Closing again does nothing."""
    checkpointer = AsyncCheckpointer(tmp_path)
    checkpointer.save(state(), step=0)
    checkpointer.close()
    checkpointer.close()
    for use in (checkpointer.wait, checkpointer.load_latest):
        with pytest.raises(CheckpointError, match="closed"):
            use()
    with pytest.raises(CheckpointError, match="closed"):
        checkpointer.save(state(), step=1)
    assert names(tmp_path) == ["last.pt", "step-000000000.pt"]


def test_a_loaders_place_in_its_epoch_is_part_of_the_state(tmp_path: Path, photo_store: Path):
    """One of torch's has none, and is left out."""

    def loader() -> DataLoader:
        transform = v2.Compose([v2.Resize((16, 16)), v2.ToImage()])
        dataset = LMDBDataset(photo_store, transform)
        return DataLoader(dataset, batch_size=4, shuffle=True, num_workers=0)

    torch.manual_seed(5)
    first = loader()
    batches = iter(first)
    for _ in range(2):
        next(batches)
    plain: Any = torch.utils.data.DataLoader([1, 2])
    with AsyncCheckpointer(tmp_path) as checkpointer:
        checkpointer.save(gather_state(loader=first, plain=plain), step=2)
        found = checkpointer.load_latest()
    assert found is not None
    assert set(found.state) == {"loader", "random"}
    second = loader()
    restore_state(found.state, loader=second, plain=plain)
    expected, went_on = [labels for _, labels in batches], [labels for _, labels in second]
    assert len(went_on) == 4
    assert all(torch.equal(one, other) for one, other in zip(expected, went_on, strict=True))
