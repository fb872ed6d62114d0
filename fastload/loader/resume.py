"""Where an epoch stands, and how another process goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["Progress", "Snapshot", "epoch_seed", "replayed"]

_VERSION = 1


def epoch_seed(base_seed: int, resets: int) -> int:
    """The seed of an epoch's augmentation: uint64.

    Args:
        base_seed: what torch's iterator drew from the loader's generator.
        resets: how often that iterator began anew since, which draws nothing
            (``persistent_workers``).
    """
    if resets == 0:
        return base_seed
    mixed = np.random.SeedSequence([base_seed, resets]).generate_state(1, np.uint64)
    return int(mixed[0])


class Progress:
    """How far an epoch has come.

    Attributes:
        batches: delivered (or left out as a whole).
        base_seed, resets: what `epoch_seed` takes.
        resumed: the epoch was begun by an earlier loader.
        as_reset: the epoch begins as one of a loader with ``persistent_workers`` that has had
            epochs before, although this loader has not: without drawing a seed.
        begun, finished: the state of the epoch.
        generators: states of the generators before the epoch drew from them.
        global_generator: likewise, torch's default one.
    """

    def __init__(self) -> None:
        self.batches = self.base_seed = self.resets = 0
        self.begun = self.finished = self.resumed = self.as_reset = False
        self.generators: dict[str, torch.Tensor] = {}
        self.global_generator = torch.empty(0, dtype=torch.uint8)

    @property
    def pending(self) -> bool:
        """Whether it was loaded, and no epoch has begun from it."""
        return not self.begun and (self.resumed or self.as_reset or bool(self.generators))

    def begin(self, base_seed: int, resets: int) -> tuple[int, int]:
        """The epoch begins. Returns what `epoch_seed` takes; a resumed epoch keeps what it had."""
        if not (self.resumed or self.as_reset):
            self.base_seed, self.resets = base_seed, resets
        self.begun = True
        return self.base_seed, self.resets

    def finish(self) -> None:
        """The epoch is over."""
        self.finished = True

    def state_dict(self, loader: Any) -> dict[str, Any]:
        """What ``load`` takes: numbers, strings and tensors only."""
        under_way = self.begun and not self.finished
        as_reset = self.begun and loader.persistent_workers and (not under_way or self.resets > 0)
        return {
            "version": _VERSION,
            "samples": len(loader.dataset),
            "batch_size": loader.batch_size,
            "under_way": under_way,
            "batches": self.batches if under_way else 0,
            "base_seed": self.base_seed,
            "resets": self.resets + (as_reset and not under_way),
            "as_reset": as_reset,
            "generators": self.generators if under_way else generator_states(loader),
            "global_generator": self.global_generator,
        }

    @classmethod
    def load(cls, state: dict[str, Any], loader: Any) -> Progress:
        """The progress of a state, checked against the loader that is to go on.

        Raises:
            ValueError: the state is of another data set, batch size or version.
        """
        expected = {
            "version": _VERSION,
            "samples": len(loader.dataset),
            "batch_size": loader.batch_size,
        }
        for name, value in expected.items():
            if state.get(name) != value:
                raise ValueError(
                    f"this loader's state has {name}={state.get(name)!r}, expected {value!r}: an "
                    "epoch can only go on with the data set and batch size it was begun with"
                )
        progress = cls()
        progress.resumed, progress.as_reset = bool(state["under_way"]), bool(state["as_reset"])
        progress.batches = int(state["batches"])
        progress.base_seed, progress.resets = int(state["base_seed"]), int(state["resets"])
        progress.generators = dict(state["generators"])
        progress.global_generator = state["global_generator"]
        return progress


class Snapshot:
    """The states of all generators that beginning an epoch draws from.

    Args:
        loader: whose generators, beside torch's default one.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._states = generator_states(loader)
        self._global = torch.get_rng_state()

    def restore(self) -> None:
        """Put them back."""
        for name, generator in generators_of(self._loader).items():
            generator.set_state(self._states[name])
        torch.set_rng_state(self._global)

    def same_as(self, other: Snapshot) -> bool:
        """Whether all generators of one loader stood where they stand in the other snapshot."""
        return torch.equal(self._global, other._global) and all(
            torch.equal(state, other._states[name]) for name, state in self._states.items()
        )


def generators_of(loader: Any) -> dict[str, torch.Generator]:
    """The generators that a loader and its samplers draw from, by where they stand."""
    inner = getattr(loader.batch_sampler, "sampler", None)
    homes = {
        "loader": loader,
        "sampler": loader.sampler,
        "batch_sampler": loader.batch_sampler,
        "batch_sampler.sampler": inner,
    }
    found = {name: getattr(home, "generator", None) for name, home in homes.items()}
    return {name: value for name, value in found.items() if isinstance(value, torch.Generator)}


def generator_states(loader: Any) -> dict[str, torch.Tensor]:
    """The states of those generators now."""
    return {name: value.get_state() for name, value in generators_of(loader).items()}


@contextmanager
def replayed(loader: Any, progress: Progress) -> Iterator[None]:
    """Begin an epoch: fresh, or with the generators where a resumed one began.

    torch's default generator is put back afterwards: training's numbers go on from where training
    is. The loader's own generators stay where the resumed epoch has left them.
    """
    if not progress.resumed:
        for name, generator in generators_of(loader).items():
            if name in progress.generators:  # loaded between two epochs
                generator.set_state(progress.generators[name])
        progress.generators = generator_states(loader)
        progress.global_generator = torch.get_rng_state()
        yield
        return
    for name, generator in generators_of(loader).items():
        if name in progress.generators:
            generator.set_state(progress.generators[name])
    before = torch.get_rng_state()
    torch.set_rng_state(progress.global_generator)
    try:
        yield
    finally:
        torch.set_rng_state(before)
