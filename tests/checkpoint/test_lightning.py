"""FastloadCheckpointIO: Lightning's checkpoints, behind training and in their order."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastload.checkpoint.lightning import FastloadCheckpointIO
from fastload.errors import CheckpointError
from support.disks import BrokenDisk, HeldDisk


@pytest.mark.filterwarnings("ignore")
def test_trainer_saves_and_goes_on(tmp_path: Path):
    """ModelCheckpoint's files, written in the background, load in a plain Trainer."""
    import lightning

    from fastload.checkpoint.verify import verify_file

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def training_step(self, batch: torch.Tensor, _: int) -> torch.Tensor:
            return self.layer(batch).sum()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    def trainer(**options: object) -> lightning.Trainer:
        return lightning.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False,
            enable_model_summary=False, default_root_dir=tmp_path, **options,
        )  # fmt: skip

    data = torch.utils.data.DataLoader(torch.randn(8, 4), batch_size=2)
    saver = lightning.pytorch.callbacks.ModelCheckpoint(tmp_path / "ckpt", save_last=True)
    model = Model()
    trainer(max_epochs=3, plugins=[FastloadCheckpointIO()], callbacks=[saver]).fit(model, data)
    last = tmp_path / "ckpt" / "last.ckpt"
    assert verify_file(last.resolve()).step == 12
    assert sorted(path.suffix for path in last.parent.iterdir()) == [".ckpt", ".ckpt"]
    again = Model()
    trainer(max_epochs=3).fit(again, data, ckpt_path=last)
    assert torch.equal(again.layer.weight, model.layer.weight)


def saver(disk: BrokenDisk | HeldDisk) -> FastloadCheckpointIO:
    """With that disk."""
    made = FastloadCheckpointIO()
    made._ops = disk
    return made


def test_saving_and_removing_wait_for_no_disk(tmp_path: Path):
    """ModelCheckpoint removes the older right behind each save: it goes once the newer is there."""
    old, new = tmp_path / "old.ckpt", tmp_path / "new.ckpt"
    disk = HeldDisk()
    io = saver(disk)
    io.save_checkpoint({"global_step": 1}, old)
    disk.let_through(1)
    io.save_checkpoint({"global_step": 2}, new)
    io.remove_checkpoint(old)
    assert not new.exists()
    disk.let_through(100)
    io.teardown()
    assert [path.name for path in tmp_path.iterdir()] == ["new.ckpt"]
    assert io.load_checkpoint(new) == {"global_step": 2}


def test_the_older_stays_where_the_newer_failed(tmp_path: Path):
    """And the next call says so."""
    old, new = tmp_path / "old.ckpt", tmp_path / "new.ckpt"
    disk = BrokenDisk()
    io = saver(disk)
    io.save_checkpoint({"global_step": 1}, old)
    io.load_checkpoint(old)
    disk.broken = True
    io.save_checkpoint({"global_step": 2}, new)
    io.remove_checkpoint(old)
    with pytest.raises(CheckpointError, match="no space left"):
        io.teardown()
    assert [path.name for path in tmp_path.iterdir()] == ["old.ckpt"]
    disk.broken = False
    io.save_checkpoint({"global_step": 3}, new)
    io.remove_checkpoint(old)
    io.remove_checkpoint(tmp_path / "never.ckpt")
    io.teardown()
    assert [path.name for path in tmp_path.iterdir()] == ["new.ckpt"]


def test_objects_load_only_where_that_was_asked_for(tmp_path: Path):
    """Hyperparameters may be anything."""
    path = tmp_path / "a.ckpt"
    io = FastloadCheckpointIO()
    io.save_checkpoint({"hyper": Path("x")}, path)
    io.teardown()
    with pytest.raises(Exception, match="weights_only"):
        io.load_checkpoint(path)
    assert io.load_checkpoint(path, weights_only=False) == {"hyper": Path("x")}
    assert FastloadCheckpointIO(weights_only=False).load_checkpoint(path) == {"hyper": Path("x")}


def test_remote_paths_are_refused(tmp_path: Path):
    """Rather than written into a local folder called s3:."""
    io = FastloadCheckpointIO()
    with pytest.raises(ValueError, match="local files only"):
        io.save_checkpoint({}, "s3://bucket/a.ckpt")
    with pytest.raises(TypeError, match="storage_options"):
        io.save_checkpoint({}, tmp_path / "a.ckpt", storage_options={})
