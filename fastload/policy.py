"""``ValidationPolicy``: when to validate, and on how much. By itself, in any loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

__all__ = ["Decision", "ValidationPolicy"]

_VERSION = 1


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


class ValidationPolicy:
    """Validate every so many epochs or steps, or for a share of training's time.

        policy = ValidationPolicy(epochs=90, every_epochs=5, full_every=4)
        for epoch in range(90):
            for batch in train_loader: ...
            if decision := policy.after_epoch(epoch):
                with policy.validating():
                    validate(val_loader if decision.full else small_loader)

    The conditions add up: whichever is met first. The last epoch is always validated, in full.

    Args:
        epochs: of the run; the last is always validated. None: not known; see `last`.
        every_epochs: validate behind each epoch whose number + 1 this divides; 0: not by epochs.
        every_steps: behind each step whose number this divides, see `after_step`; 0: not by steps.
        time_share: validate when that is expected to keep validation below this share of the time
            spent in training, such as 0.05; how long it takes is known from the times before. 0:
            not by time. Asked behind each epoch. Where torch.distributed is initialized, rank 0
            decides for all: clocks differ, and who validates alone waits for the others for ever.
        full_every: every how many validations the whole set is used; the others are for a subset
            (`fastload.stratified_subset`). 1: always the whole set.
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
        full_every: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if epochs is not None and epochs < 1:
            raise ValueError(f"expected epochs to be at least 1 or None, found {epochs}")
        if every_epochs < 0 or every_steps < 0 or full_every < 1:
            raise ValueError(
                "expected every_epochs and every_steps of at least 0 and full_every of at least "
                f"1, found {every_epochs}, {every_steps} and {full_every}"
            )
        if not 0 <= time_share < 1 or math.isnan(time_share):
            raise ValueError(f"expected time_share to be at least 0 and below 1: {time_share}")
        if not (every_epochs or every_steps or time_share):
            raise ValueError("expected one of every_epochs, every_steps and time_share above 0")
        self.epochs = epochs
        self.every_epochs = every_epochs
        self.every_steps = every_steps
        self.time_share = time_share
        self.full_every = full_every
        self._clock = clock
        self._validations = 0
        self._steps = 0
        self._training_seconds = 0.0
        self._validation_seconds = 0.0
        self._latest_seconds = {True: 0.0, False: 0.0}  # of a full validation, and of a subset's
        self._since: float | None = clock()
        self._full_is_fresh = False  # the whole set was validated, and nothing trained since
        self._is_full = False  # the validation that runs, or comes next

    def after_step(self, steps: int = 1) -> Decision:
        """Behind a step of training; ``steps`` of them since it was last asked."""
        before, self._steps = self._steps, self._steps + steps
        self._full_is_fresh = False
        if self.every_steps and before // self.every_steps < self._steps // self.every_steps:
            return self._validate(f"every {self.every_steps} steps")
        return self._not_yet()

    def after_epoch(self, epoch: int) -> Decision:
        """Behind an epoch's last step.

        Args:
            epoch: its number, from 0.
        """
        if not self.every_steps:  # otherwise a step would have said so
            self._full_is_fresh = False
        if self.epochs is not None and epoch + 1 >= self.epochs:
            return self.last()
        if self._by_epochs(epoch):
            return self._validate(f"every {self.every_epochs} epochs")
        if self.time_share and _agreed(self._affordable()):
            return self._validate(f"at most {100 * self.time_share:g} % of training's time")
        return self._not_yet()

    def last(self) -> Decision:
        """Training ends here, as after early stopping: the whole set, unless that was just done."""
        if self._full_is_fresh:
            return Decision(due=False, full=True, reason="the whole set was just validated")
        return self._validate("the end of training", full=True)

    def validates(self, epoch: int) -> bool | None:
        """Whether `after_epoch` will say so, as far as it is known before; None: time decides.

        For preparing validation's batches in time.
        """
        if (self.epochs is not None and epoch + 1 >= self.epochs) or self._by_epochs(epoch):
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
            "validations": self._validations,
            "steps": self._steps,
            "training_seconds": self._trained_seconds(),
            "validation_seconds": self._validation_seconds,
            "full_seconds": self._latest_seconds[True],
            "subset_seconds": self._latest_seconds[False],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there; the time between does not count.

        Raises:
            ValueError: the state is of another version.
        """
        if state_dict.get("version") != _VERSION:
            raise ValueError(
                f"expected a policy's state of version {_VERSION}, "
                f"found {state_dict.get('version')!r}"
            )
        self._validations = int(state_dict["validations"])
        self._steps = int(state_dict["steps"])
        self._training_seconds = float(state_dict["training_seconds"])
        self._validation_seconds = float(state_dict["validation_seconds"])
        self._latest_seconds = {
            True: float(state_dict["full_seconds"]),
            False: float(state_dict["subset_seconds"]),
        }
        self._since = self._clock()

    def _by_epochs(self, epoch: int) -> bool:
        return bool(self.every_epochs) and (epoch + 1) % self.every_epochs == 0

    def _next_is_full(self) -> bool:
        return (self._validations + 1) % self.full_every == 0

    def _affordable(self) -> bool:
        """Whether a validation as long as the latest of its kind keeps the share."""
        full = self._next_is_full()
        expected = self._latest_seconds[full] or self._latest_seconds[not full]
        budget = self.time_share * self._trained_seconds()
        return self._validation_seconds + expected <= budget

    def _trained_seconds(self) -> float:
        running = 0.0 if self._since is None else self._clock() - self._since
        return self._training_seconds + running

    def _validate(self, reason: str, *, full: bool = False) -> Decision:
        full = full or self._next_is_full()
        self._validations += 1
        self._full_is_fresh = self._is_full = full
        return Decision(due=True, full=full, reason=reason)

    def _not_yet(self) -> Decision:
        self._full_is_fresh = False
        return Decision(due=False, full=False, reason="not yet")


def _agreed(decision: bool) -> bool:
    """Rank 0's decision, where there are ranks."""
    from torch import distributed

    if not (distributed.is_available() and distributed.is_initialized()):
        return decision
    decisions = [decision]
    distributed.broadcast_object_list(decisions, src=0)
    return decisions[0]
