"""Lightning's trainer with fastload's loaders, overlap and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from fastload import DataLoader, LMDBDataset
from fastload.integrations.lightning import FastloadCallback, FastloadCheckpointIO
from support.loaders import RANDOM, STILL, assert_same

pytestmark = [
    # Lightning's own advice, and what it does with torch's deprecated parts.
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


class Model(LightningModule):
    """Notes what it gets, and what was prepared when validation began."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(3, 3)
        self.seen: list[torch.Tensor] = []
        self.prepared: list[int] = []

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        """A loss of the images' means."""
        images, targets = batch
        return torch.nn.functional.cross_entropy(self.layer(images.mean((2, 3))), targets % 3)

    def on_validation_start(self) -> None:
        """How many batches have been prepared in all, before the first one is asked for."""
        ties = [c.overlaps for c in self.trainer.callbacks if isinstance(c, FastloadCallback)]
        self.prepared.append(sum(overlap.prepared_batches for tie in ties for overlap in tie))

    def validation_step(self, batch: Any, index: int, dataloader_idx: int = 0) -> None:
        """Keep it."""
        self.seen.append(batch[0].clone())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain."""
        return torch.optim.SGD(self.parameters(), 0.1)


@pytest.fixture
def loaders(photo_store: Path) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """12 batches of training, 5 of validation."""
    train = DataLoader(LMDBDataset(photo_store, RANDOM), batch_size=2, shuffle=True, num_workers=1)
    return train, DataLoader(LMDBDataset(photo_store, STILL), batch_size=5, num_workers=1)


def fit(folder: Path, loaders: Any, callback: FastloadCallback | None, **options: Any) -> Model:
    """A run of three epochs."""
    torch.manual_seed(0)
    model = Model()
    options = {"max_epochs": 3, "enable_checkpointing": False, **options}
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0,
        callbacks=[callback] if callback is not None else [], **options,
    )  # fmt: skip
    trainer.fit(model, *loaders)
    return model


@pytest.mark.parametrize(
    ("options", "prepared"),
    [
        ({}, [5, 10, 15]),
        ({"check_val_every_n_epoch": 2, "max_epochs": 4}, [0, 5]),
        ({"val_check_interval": 6}, [5, 10, 15, 20, 25, 30]),
        ({"val_check_interval": 8, "check_val_every_n_epoch": None}, [5, 10, 15, 20]),
        ({"limit_val_batches": 2}, [5, 10, 15]),
    ],
)
def test_validation_is_prepared_when_lightning_comes_to_it(tmp_path, loaders, options, prepared):
    """And gets what it would have got."""
    model = fit(tmp_path, loaders, FastloadCallback(), **options)
    plain = fit(tmp_path, loaders, None, **options)
    assert model.prepared == prepared
    assert plain.prepared == [0] * len(prepared)
    assert_same(model.seen, plain.seen)
    assert torch.equal(model.layer.weight, plain.layer.weight)


def test_no_validation_no_preparation(tmp_path, loaders):
    """Switched off in the trainer."""
    callback = FastloadCallback()
    fit(tmp_path, loaders, callback, limit_val_batches=0)
    assert loaders[1]._prepared is None


def test_several_loaders_and_foreign_ones(tmp_path, loaders, photo_store):
    """Those of fastload are prepared, those of torch are left alone."""
    train, validation = loaders
    foreign = torch.utils.data.DataLoader(validation.dataset, batch_size=5)
    second = DataLoader(validation.dataset, batch_size=8, num_workers=1)
    callback = FastloadCallback()
    model = fit(tmp_path, (train, [validation, foreign, second]), callback, max_epochs=1)
    assert len(model.seen) == 5 + 5 + 3
    assert callback.overlaps == ()  # untied at the end
    assert validation._prepared is None


def test_checkpoints_are_written_in_the_background(tmp_path, loaders):
    """Lightning's own files, read by Lightning."""
    fit(
        tmp_path, loaders, FastloadCallback(), enable_checkpointing=True, max_epochs=2,
        plugins=[FastloadCheckpointIO()],
    )  # fmt: skip
    (path,) = tmp_path.rglob("*.ckpt")
    assert torch.load(path, weights_only=True)["epoch"] == 1
    resumed = Model()
    trainer = Trainer(
        default_root_dir=tmp_path, accelerator="cpu", logger=False, enable_progress_bar=False,
        enable_model_summary=False, max_epochs=3, plugins=[FastloadCheckpointIO()],
    )  # fmt: skip
    trainer.fit(resumed, *loaders, ckpt_path=path)
    assert trainer.current_epoch == 3
