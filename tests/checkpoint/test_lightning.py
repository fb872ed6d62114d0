"""FastloadCheckpointIO, where Lightning is installed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")


@pytest.mark.filterwarnings("ignore")
def test_trainer_saves_and_goes_on(tmp_path: Path):
    """ModelCheckpoint's files, written in the background, load in a plain Trainer."""
    import lightning

    from fastload.checkpoint.lightning import FastloadCheckpointIO
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
