"""``SecondStep``: validation, checkpoints and logs of a training loop, off its way."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from torch import distributed

from fastload.background import BackgroundWorker
from fastload.checkpoint import AsyncCheckpointer, gather_state, load_latest, restore_state
from fastload.checkpoint.handle import SaveHandle
from fastload.closing import Closing, raise_first
from fastload.epoch_log import EpochLog
from fastload.loader import DataLoader
from fastload.overlap import Overlap, overlap_validation
from fastload.policy import Decision, ValidationPolicy

__all__ = ["SecondStep"]


class SecondStep(Closing):
    """Ties the parts of fastload to a training loop that stays the user's own.

        second = SecondStep("runs/1", train_loader, val_loader, epochs=90,
                            parts={"model": model, "optimizer": optimizer}, best="accuracy")
        for epoch in second.epochs():
            for images, targets in train_loader: ...
            if second.validates(epoch):
                with second.validating():
                    accuracy = validate(model, val_loader)
            second.finish(epoch, accuracy=accuracy)

    Validation's first batches are made while training runs (`overlap_validation`), checkpoints are
    written behind it (`AsyncCheckpointer` in ``folder/checkpoints``), and so is a row an epoch of
    ``folder/epochs.csv``. Whatever else is to be done in the background goes to ``work`` or, where
    it computes in Python, to ``plots``: ``second.plots.submit(draw, matrix, "confusion.png")``.

    Run again with the same folder, it goes on behind the last epoch whose checkpoint is whole, with
    the random numbers that the run had there. Under torch.distributed all ranks load, and rank 0
    saves and logs: all go on with the random numbers of rank 0.

    Args:
        folder: of the run; made where it is missing.
        train_loader: whose epochs are watched.
        val_loaders: prepared while training runs; see `overlap_validation`.
        epochs: of the run.
        parts: what makes up the run's state beside the training loader: models, optimizers,
            schedulers, scalers, by names of your own.
        policy: when to validate. Default: every epoch, all of it. One by steps that knows no
            ``steps_per_epoch`` is given the training loader's length.
        best: the metric by which a best checkpoint is kept.
        mode: whether the highest or the lowest is best.
        keep_last: checkpoints.
        resume: False: an error where the folder already holds a checkpoint.
        map_location: for loading, as of ``torch.load``.

    Attributes:
        work: a `BackgroundWorker`, of threads.
        plots: a `BackgroundWorker`, of processes, which start when they are first needed.
        checkpointer: an `AsyncCheckpointer`; None on other ranks than 0.
        overlaps: one for each validation loader.

    Raises:
        FileExistsError: ``resume=False``, and there is something to resume.
        CheckpointError: the folder cannot be written to, or holds only damaged checkpoints.
    """

    def __init__(
        self,
        folder: str | Path,
        train_loader: DataLoader[Any],
        *val_loaders: DataLoader[Any],
        epochs: int,
        parts: Mapping[str, Any],
        policy: ValidationPolicy | None = None,
        best: str = "",
        mode: Literal["min", "max"] = "max",
        keep_last: int | None = 3,
        resume: bool = True,
        map_location: Any = None,
    ) -> None:
        self.folder = Path(folder)
        self.policy = policy or ValidationPolicy(every_epochs=1, epochs=epochs)
        if self.policy.every_steps and self.policy.steps_per_epoch is None:
            with suppress(TypeError):  # a data set without a length
                self.policy.steps_per_epoch = len(train_loader) or None
        self._epochs = epochs
        self._parts = {**parts, "policy": self.policy, "train_loader": train_loader}
        self._train = train_loader
        self._epoch = self._resume(resume, map_location)
        self._began = 0.0
        self._validation_seconds = 0.0
        self.work = BackgroundWorker()
        self.plots = BackgroundWorker(executor="process")
        self.checkpointer: AsyncCheckpointer | None = None
        self._log: EpochLog | None = None
        if _rank() == 0:
            self.checkpointer = AsyncCheckpointer(
                self._checkpoints, keep_last=keep_last, best=best, mode=mode
            )
            self._log = EpochLog(self.folder / "epochs.csv", keep_below=self._epoch)
        self.overlaps: tuple[Overlap, ...] = ()
        if val_loaders:
            self.overlaps = overlap_validation(train_loader, *val_loaders, due_in=self._due_in)

    @property
    def _checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def _resume(self, resume: bool, map_location: Any) -> int:
        """Give the parts their latest state; returns the epoch to go on with."""
        loaded = load_latest(self._checkpoints, map_location=map_location)
        if loaded is None:
            return 0
        if not resume:
            raise FileExistsError(
                f"expected a new folder for resume=False, found {loaded.path}: name another "
                "folder, remove this one, or resume"
            )
        for skipped in loaded.skipped:
            warnings.warn(f"{skipped.path} is left out: {skipped.reason}", stacklevel=3)
        return int(restore_state(loaded.state, **self._parts)["epochs_done"])

    def epochs(self) -> Iterator[int]:
        """The epochs that are left to be done, from 0; behind the last one, everything is closed.

        Raises:
            Exception: as `close`.
        """
        for epoch in range(self._epoch, self._epochs):
            self._epoch = epoch
            self._began, self._validation_seconds = time.perf_counter(), 0.0
            yield epoch
        self.close()

    def step(self, steps: int = 1) -> Decision:
        """Behind a step of training, for a policy with ``every_steps``."""
        return self.policy.after_step(steps)

    def validates(self, epoch: int) -> Decision:
        """Behind an epoch's training: whether to validate now, and on how much."""
        return self.policy.after_epoch(epoch)

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Around a validation."""
        began = time.perf_counter()
        try:
            with self.policy.validating():
                yield
        finally:
            self._validation_seconds += time.perf_counter() - began

    def finish(self, epoch: int, **metrics: float) -> SaveHandle | None:
        """An epoch is over: its checkpoint and its row are written in the background.

        Args:
            epoch: its number.
            metrics: of the row, and kept with the checkpoint; the same names in every epoch.

        Returns:
            the save's handle, on rank 0; elsewhere nothing is done.

        Raises:
            ValueError: metrics have other names than those of the epochs before.
            Exception: an earlier save, or an earlier job, failed.
        """
        if self.checkpointer is None or self._log is None:
            return None
        began = time.perf_counter()
        self._train._progress.finish()  # also where the loop has left it before its last batch
        numbers = {name: float(value) for name, value in metrics.items()}
        state = gather_state(epochs_done=epoch + 1, **self._parts)
        handle = self.checkpointer.save(state, step=epoch + 1, metrics=numbers)
        now = time.perf_counter()
        seconds = {
            "train_seconds": began - self._began - self._validation_seconds,
            "validation_seconds": self._validation_seconds,
            "save_seconds": now - began,
        }
        row = self._log.row(epoch, {**numbers, **seconds})
        self.work.submit(self._log.append, row, stream="epochs.csv")
        return handle

    def close(self) -> None:
        """Finish what is under way, and untie the loaders. Idempotent.

        Raises:
            Exception: a save or a job failed, and nobody was told yet.
        """
        for overlap in self.overlaps:
            overlap.close()
        self.overlaps = ()
        closing: list[Callable[[], None]] = [self.work.close, self.plots.close]
        if self.checkpointer is not None:
            closing.append(self.checkpointer.close)
        errors: list[Exception] = []
        for close in closing:
            try:
                close()
            except Exception as error:
                errors.append(error)
        raise_first(errors)

    def _due_in(self, batches: int) -> int | None:
        """How many more batches come before validation; what time decides may come."""
        left = [self.policy.steps_left()]
        if self.policy.validates(self._epoch) is not False:
            with suppress(TypeError):  # a data set without a length
                left.append(max(0, len(self._train) - batches))
        known = [steps for steps in left if steps is not None]
        return min(known) if known else None


def _rank() -> int:
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank()
    return 0
