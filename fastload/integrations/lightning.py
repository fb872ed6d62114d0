"""Lightning: validation made ready while training runs, and checkpoints it does not wait for.

    from fastload.integrations.lightning import FastloadCallback, FastloadCheckpointIO

    trainer = Trainer(callbacks=[FastloadCallback()], plugins=[FastloadCheckpointIO()])

Loaders have to be ``fastload.DataLoader``. Needs ``pip install fastload[lightning]``.
"""

from __future__ import annotations

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.combined_loader import CombinedLoader

from fastload.checkpoint.lightning import FastloadCheckpointIO
from fastload.loader import DataLoader
from fastload.overlap import Overlap, overlap_validation

__all__ = ["FastloadCallback", "FastloadCheckpointIO"]


class FastloadCallback(Callback):
    """Has the trainer's validation batches made while its training runs.

    See `fastload.overlap_validation`. ``check_val_every_n_epoch``, ``val_check_interval`` and
    ``limit_val_batches=0`` are followed: where no validation comes, nothing is prepared. Loaders
    that are not fastload's are left alone. With ``check_val_every_n_epoch`` above 1, Lightning
    makes its validation loaders when it first needs them: the first validation is not prepared.

    Attributes:
        overlaps: one for each validation loader, from the first training epoch on; their
            ``reason`` says why one is not prepared.
    """

    def __init__(self) -> None:
        self.overlaps: tuple[Overlap, ...] = ()
        self._tied: tuple[Any, ...] = ()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Tie the loaders; again where the trainer has made new ones."""
        train = _loaders(trainer.train_dataloader)
        validation = _loaders(trainer.val_dataloaders)
        if self._tied == (*train, *validation):
            return
        self._untie()
        self._tied = (*train, *validation)
        if train and validation:
            self.overlaps = overlap_validation(
                train[0],
                *validation,
                due_in=lambda batches: batches_to_validation(trainer, batches),
            )

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Drop what was prepared for a validation that does not come."""
        self._untie()

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Likewise."""
        self._untie()

    def _untie(self) -> None:
        for overlap in self.overlaps:
            overlap.close()
        self.overlaps = self._tied = ()


def batches_to_validation(trainer: Trainer, batches: int) -> int | None:
    """How many more batches Lightning trains on before it validates.

    Args:
        trainer: in a training epoch.
        batches: what the training loader has delivered in this epoch.

    Returns:
        None where this epoch has no more validation, or the clock decides.
    """
    if not trainer.enable_validation:
        return None
    every_epochs = trainer.check_val_every_n_epoch
    if every_epochs is not None and (trainer.current_epoch + 1) % every_epochs != 0:
        return None
    length, interval = trainer.num_training_batches, trainer.val_check_batch
    if interval is None:  # by the clock
        return None
    if interval == float("inf"):  # a loader without a length: behind its last batch
        return None if length == float("inf") else int(length) - batches
    # Without epochs to count, the interval runs on over their ends.
    done = batches if every_epochs is not None else trainer.fit_loop.total_batch_idx + 1
    left = int(interval) - done % int(interval)
    if every_epochs is not None and batches + left > length:
        return None
    return left


def _loaders(held: Any) -> tuple[DataLoader[Any], ...]:
    """The loaders of fastload among what a trainer holds: one, a list, a mapping, or none."""
    if held is None:
        return ()
    if isinstance(held, DataLoader):
        return (held,)
    flat = held.flattened if isinstance(held, CombinedLoader) else CombinedLoader(held).flattened
    return tuple(loader for loader in flat if isinstance(loader, DataLoader))
