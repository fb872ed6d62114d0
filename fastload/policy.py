"""``ValidationPolicy``: when to validate, and on how much. By itself, in any loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Decision", "ValidationPolicy"]

_VERSION = 2  # 1 counted validations where epochs are counted now


@dataclass(frozen=True)
class Decision:
    """Whether to validate now; true in a condition where it is so.

    Attributes:
        due: validate.
        full: on the whole validation set, not on its subset.
        reason: in words.
    """

    due: bool
    full: bool
    reason: str

    def __bool__(self) -> bool:
        return self.due


_NOT_YET = Decision(due=False, full=False, reason="not yet")


class ValidationPolicy:
    """Validate every so many epochs or steps, or for a share of training's time.

        policy = ValidationPolicy(epochs=90, every_epochs=1, full_every=10)
        for epoch in range(90):
            for batch in train_loader: ...
            if decision := policy.after_epoch(epoch):
                with policy.validating():
                    validate(val_loader if decision.full else small_loader)

    The conditions add up: whichever is met first. Where several fall together, on an epoch's last
    step, that is one validation. The last epoch is always validated, in full.

    Args:
        epochs: of the run; the last is always validated. None: not known; see `last`.
        every_epochs: validate behind each epoch whose number + 1 this divides; 0: not by epochs.
        every_steps: behind each step whose number this divides, see `after_step`; 0: not by steps.
        time_share: validate when that is expected to keep validation below this share of the time
            spent in training, such as 0.05; how long it takes is known from the times before. 0:
            not by time. Asked behind each epoch. Where torch.distributed is initialized, rank 0
            decides for all: clocks differ, and who validates alone waits for the others for ever.
        full_every: every how many epochs the whole set is validated, the other validations being
            of a subset (`fastload.stratified_subset`). It is the first validation that comes when
            so many epochs are done, or twice or three times as many; by itself this calls for
            none. None: always the whole set.
        steps_per_epoch: such as ``len(train_loader)``; of use with ``every_steps``. A validation by
            steps on an epoch's last step is then the one that is due behind the epoch, and of the
            whole set where that would be. None: a step cannot know, so that a subset's may come
            right before the whole set's.
        clock: seconds.

    Raises:
        ValueError: an argument is out of its range, or none of the conditions is given.
    """

    def __init__(
        self,
        *,
        epochs: int | None = None,
        every_epochs: int = 0,
        every_steps: int = 0,
        time_share: float = 0.0,
        full_every: int | None = None,
        steps_per_epoch: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if epochs is not None and epochs < 1:
            raise ValueError(f"expected epochs to be at least 1 or None, found {epochs}")
        if every_epochs < 0 or every_steps < 0:
            raise ValueError(
                "expected every_epochs and every_steps of at least 0, "
                f"found {every_epochs} and {every_steps}"
            )
        for name, value in (("full_every", full_every), ("steps_per_epoch", steps_per_epoch)):
            if value is not None and value < 1:
                raise ValueError(f"expected {name} to be at least 1 or None, found {value}")
        if not 0 <= time_share < 1 or math.isnan(time_share):
            raise ValueError(f"expected time_share to be at least 0 and below 1: {time_share}")
        if not (every_epochs or every_steps or time_share):
            raise ValueError("expected one of every_epochs, every_steps and time_share above 0")
        self.epochs = epochs
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.time_share = time_share
        self.full_every = full_every
        self.steps_per_epoch = steps_per_epoch
        self._clock = clock
        self._epochs_done = 0
        self._full_epochs = 0  # how many were done when the whole set was last validated
        self._steps = 0
        self._epoch_began = 0  # at which step
        self._training_seconds = 0.0
        self._validation_seconds = 0.0
        self._latest_seconds = {True: 0.0, False: 0.0}  # of a full validation, and of a subset's
        self._since: float | None = clock()
        # What the model was validated on as it stands: the whole set, a subset, or (None) nothing.
        self._fresh: bool | None = None
        self._stepped = False  # `after_step` was asked since the last epoch's end
        self._is_full = False  # the validation that runs, or comes next

    def after_step(self, steps: int = 1) -> Decision:
        """Behind a step of training; ``steps`` of them since it was last asked."""
        before, self._steps = self._steps, self._steps + steps
        self._fresh, self._stepped = None, True
        if not self.every_steps or before // self.every_steps == self._steps // self.every_steps:
            return _NOT_YET
        epochs_done, last = self._epochs_done, False
        if self._ends_epoch(before):
            epochs_done += 1
            last = self._is_last(self._epochs_done)
        full = last or self._full_is_due(epochs_done)
        return self._validate(f"every {self.every_steps} steps", full, epochs_done)

    def after_epoch(self, epoch: int) -> Decision:
        """Behind an epoch's last step.

        Args:
            epoch: its number, from 0.
        """
        if not self._stepped:  # trained without telling
            self._fresh = None
        self._stepped = False
        self._epochs_done, self._epoch_began = epoch + 1, self._steps
        if self._is_last(epoch):
            return self.last()
        full = self._full_is_due(self._epochs_done)
        by_epochs = self._by_epochs(epoch)
        if self._fresh is not None and (self._fresh or not (full and by_epochs)):
            return Decision(due=False, full=False, reason="validated behind the last step")
        if by_epochs:
            return self._validate(f"every {self.every_epochs} epochs", full)
        if self.time_share and _agreed(self._affordable(full)):
            return self._validate(f"at most {100 * self.time_share:g} % of training's time", full)
        return _NOT_YET

    def last(self) -> Decision:
        """Training ends here, as after early stopping: the whole set, unless that was just done."""
        if self._fresh:
            return Decision(due=False, full=True, reason="the whole set was just validated")
        return self._validate("the end of training", full=True)

    def validates(self, epoch: int) -> bool | None:
        """Whether one comes at this epoch's end, as far as it is known before; None: time decides.

        For preparing validation's batches in time. Those by steps: `steps_left`.
        """
        if self._is_last(epoch) or self._by_epochs(epoch):
            return True
        return None if self.time_share else False

    def steps_left(self) -> int | None:
        """How many steps come before the next validation by steps; None without ``every_steps``."""
        return self.every_steps - self._steps % self.every_steps if self.every_steps else None

    @contextmanager
    def validating(self) -> Iterator[None]:
        """Around a validation, for its time to be known."""
        began = self._clock()
        self._training_seconds += began - (began if self._since is None else self._since)
        self._since = None
        try:
            yield
        finally:
            self._since = self._clock()
            taken = self._since - began
            self._validation_seconds += taken
            self._latest_seconds[self._is_full] = taken

    @property
    def share(self) -> float:
        """Validation's time as a share of training's, so far."""
        training = self._trained_seconds()
        return self._validation_seconds / training if training > 0 else 0.0

    def state_dict(self) -> dict[str, Any]:
        """What has been: numbers only."""
        return {
            "version": _VERSION,
            "epochs_done": self._epochs_done,
            "full_epochs": self._full_epochs,
            "steps": self._steps,
            "epoch_began": self._epoch_began,
            "training_seconds": self._trained_seconds(),
            "validation_seconds": self._validation_seconds,
            "full_seconds": self._latest_seconds[True],
            "subset_seconds": self._latest_seconds[False],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; the time between does not count.

        A state of version 1 knows nothing of epochs: it is taken to be from the end of one, with
        the whole set not validated yet.

        Raises:
            ValueError: the state is of another version.
        """
        if state_dict.get("version") not in (1, _VERSION):
            raise ValueError(
                f"expected a policy's state of version 1 or {_VERSION}, "
                f"found {state_dict.get('version')!r}"
            )
        self._steps = int(state_dict["steps"])
        self._epochs_done = int(state_dict.get("epochs_done", 0))
        self._full_epochs = int(state_dict.get("full_epochs", 0))
        self._epoch_began = int(state_dict.get("epoch_began", self._steps))
        self._fresh, self._stepped = None, False
        self._training_seconds = float(state_dict["training_seconds"])
        self._validation_seconds = float(state_dict["validation_seconds"])
        self._latest_seconds = {
            True: float(state_dict["full_seconds"]),
            False: float(state_dict["subset_seconds"]),
        }
        self._since = self._clock()

    def _by_epochs(self, epoch: int) -> bool:
        return bool(self.every_epochs) and (epoch + 1) % self.every_epochs == 0

    def _is_last(self, epoch: int) -> bool:
        return self.epochs is not None and epoch + 1 >= self.epochs

    def _ends_epoch(self, before: int) -> bool:
        """Whether the steps since ``before`` were an epoch's last."""
        if self.steps_per_epoch is None:
            return False
        end = self._epoch_began + self.steps_per_epoch
        return before < end <= self._steps

    def _full_is_due(self, epochs_done: int) -> bool:
        """Whether a multiple of ``full_every`` was passed since the whole set was validated."""
        if self.full_every is None:
            return True
        # Not "<": epochs may be counted from 0 again.
        return self._full_epochs // self.full_every != epochs_done // self.full_every

    def _affordable(self, full: bool) -> bool:
        """Whether a validation as long as the latest of its kind keeps the share."""
        expected = self._latest_seconds[full] or self._latest_seconds[not full]
        budget = self.time_share * self._trained_seconds()
        return self._validation_seconds + expected <= budget

    def _trained_seconds(self) -> float:
        running = 0.0 if self._since is None else self._clock() - self._since
        return self._training_seconds + running

    def _validate(self, reason: str, full: bool, epochs_done: int | None = None) -> Decision:
        if full:
            self._full_epochs = self._epochs_done if epochs_done is None else epochs_done
        self._fresh = self._is_full = full
        return Decision(due=True, full=full, reason=reason)


def _agreed(decision: bool) -> bool:
    """Rank 0's decision, where there are ranks."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return decision
    decisions = [decision]
    distributed.broadcast_object_list(decisions, src=0)
    return decisions[0]
