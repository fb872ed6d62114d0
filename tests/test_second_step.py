"""The parts together, in somebody's own loop."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Subset

from fastload import (
    DataLoader,
    LMDBDataset,
    SecondStep,
    ValidationPolicy,
    load_latest,
    stratified_subset,
)
from support.loaders import RANDOM, STILL, assert_nothing_left, holdings


class Stopped(Exception):
    """A run that is cut off."""


class Run:
    """A training with dropout's kind of randomness; everything about it in one place."""

    def __init__(self, store: Path) -> None:
        torch.manual_seed(0)
        self.train = DataLoader(
            LMDBDataset(store, RANDOM), batch_size=4, shuffle=True, num_workers=1
        )
        self.validation = DataLoader(LMDBDataset(store, STILL), batch_size=5, num_workers=1)
        self.model = torch.nn.Linear(3, 3)
        self.optimizer = torch.optim.SGD(self.model.parameters(), 0.1, momentum=0.9)
        self.prepared: list[int] = []

    @property
    def parts(self) -> dict[str, Any]:
        """Of its state."""
        return {"model": self.model, "optimizer": self.optimizer}

    def go(self, second: SecondStep, stop_in: int | None = None) -> None:
        """All epochs, or as far as one in whose middle it is cut off."""
        for epoch in second.epochs():
            for number, (images, targets) in enumerate(self.train):
                if epoch == stop_in and number == 3:
                    raise Stopped
                dropped = torch.nn.functional.dropout(images.mean((2, 3)), 0.2)
                loss = torch.nn.functional.cross_entropy(self.model(dropped), targets % 3)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
                second.step()
            accuracy = float("nan")
            if second.validates(epoch):
                self.prepared.append(sum(tie.prepared_batches for tie in second.overlaps))
                with second.validating():
                    accuracy = self.accuracy()
            second.finish(epoch, accuracy=accuracy)

    @torch.no_grad()
    def accuracy(self) -> float:
        """Of the model, on all of validation."""
        right = [
            (self.model(images.mean((2, 3))).argmax(1) == targets % 3).float().sum()
            for images, targets in self.validation
        ]
        return float(sum(right)) / 24


def log_of(folder: Path) -> list[dict[str, str]]:
    """The rows of its log."""
    with open(folder / "epochs.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(photo_store: Path) -> Any:
    """Makes runs that begin alike."""
    return lambda: Run(photo_store)


def test_a_run_leaves_checkpoints_and_a_log(run, tmp_path, no_torch_threads):
    """And no thread or process."""
    before = holdings()
    training = run()
    second = SecondStep(
        tmp_path, training.train, training.validation, epochs=4, parts=training.parts,
        best="accuracy", keep_last=2,
    )  # fmt: skip
    training.go(second)
    rows = log_of(tmp_path)
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert list(rows[0]) == [
        "epoch", "accuracy", "train_seconds", "validation_seconds", "save_seconds",
    ]  # fmt: skip
    assert all(float(row["train_seconds"]) > 0 for row in rows)
    names = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert {"last.pt", "best.pt", "step-000000003.pt", "step-000000004.pt"} <= set(names)
    loaded = load_latest(tmp_path / "checkpoints")
    assert loaded is not None
    assert torch.equal(loaded.state["model"]["weight"], training.model.weight)
    assert loaded.metrics["accuracy"] == pytest.approx(float(rows[-1]["accuracy"]))
    assert training.prepared == [5, 10, 15, 20]
    training.train._engine_owner().close()
    del training, second
    assert_nothing_left(before)


@pytest.mark.parametrize("stop_in", [0, 1, 3])
def test_a_run_that_was_cut_off_goes_on_to_the_same_end(run, tmp_path, stop_in):
    """Weights, metrics and augmentation, to the last bit."""
    whole = run()
    whole.go(SecondStep(tmp_path / "a", whole.train, whole.validation, epochs=4, parts=whole.parts))
    first = run()
    second = SecondStep(tmp_path / "b", first.train, first.validation, epochs=4, parts=first.parts)
    with pytest.raises(Stopped):
        first.go(second, stop_in)
    second.close()
    again = run()
    resumed = SecondStep(tmp_path / "b", again.train, again.validation, epochs=4, parts=again.parts)
    again.go(resumed)
    assert torch.equal(again.model.weight, whole.model.weight)
    expected = [row["accuracy"] for row in log_of(tmp_path / "a")]
    assert [row["accuracy"] for row in log_of(tmp_path / "b")] == expected


@pytest.mark.parametrize("persistent", [False, True])
def test_epochs_that_the_loop_leaves_early(photo_store, tmp_path, persistent):
    """They are over as well: a resumed run begins the next one, and not the rest of the last."""

    def sums(folder: Path, stop_in: int | None = None) -> list[float]:
        torch.manual_seed(0)
        train = DataLoader(
            LMDBDataset(photo_store, RANDOM), batch_size=4, shuffle=True, num_workers=1,
            persistent_workers=persistent,
        )  # fmt: skip
        seen: list[float] = []
        with SecondStep(folder, train, epochs=3, parts={}) as second:
            for epoch in second.epochs():
                if epoch == stop_in:
                    break
                for number, (images, _) in enumerate(train):
                    if number == 2:
                        break
                    seen.append(images.sum().item())
                second.finish(epoch)
        return seen

    whole = sums(tmp_path / "a")
    assert sums(tmp_path / "b", stop_in=1) + sums(tmp_path / "b") == whole


def test_a_finished_run_has_nothing_left_to_do(run, tmp_path):
    """And may be made longer."""
    for epochs, expected in ((2, [0, 1]), (2, []), (3, [2])):
        training = run()
        second = SecondStep(
            tmp_path, training.train, training.validation, epochs=epochs, parts=training.parts
        )
        done = []
        for epoch in second.epochs():
            done.append(epoch)
            second.finish(epoch, loss=1.0)
        assert done == expected


def test_the_policy_decides(run, tmp_path, photo_store):
    """Every other epoch, a subset; nothing is prepared for epochs without validation."""
    training = run()
    dataset = LMDBDataset(photo_store, STILL)
    small = DataLoader(Subset(dataset, stratified_subset(dataset.targets, 6)), batch_size=5)
    policy = ValidationPolicy(every_epochs=2, full_every=4, epochs=4)
    second = SecondStep(
        tmp_path, training.train, small, epochs=4, parts=training.parts, policy=policy
    )
    seen, prepared = "", []
    for epoch in second.epochs():
        for _ in training.train:
            second.step()
        prepared.append(second.overlaps[0].prepared_batches)
        decision = second.validates(epoch)
        seen += "-" if not decision else "f" if decision.full else "s"
        if decision:
            list(small)
        second.finish(epoch)
    assert seen == "-s-f"
    assert prepared == [0, 2, 2, 4]


def test_a_step_and_an_epoch_that_end_together_are_validated_once(run, tmp_path):
    """The policy is told how long an epoch is; of the whole set where that is due."""
    training = run()
    policy = ValidationPolicy(every_steps=6, every_epochs=1, full_every=2)
    seen = []
    with SecondStep(tmp_path, training.train, epochs=4, parts={}, policy=policy) as second:
        for epoch in second.epochs():
            found = [second.step() for _ in training.train]
            found.append(second.validates(epoch))
            seen += [(epoch, number, d.full) for number, d in enumerate(found) if d]
            second.finish(epoch)
    assert seen == [(0, 5, False), (1, 5, True), (2, 5, False), (3, 5, True)]


def test_a_folder_in_use_can_be_refused(run, tmp_path):
    """By whom wants a new run."""
    training = run()
    second = SecondStep(tmp_path, training.train, epochs=1, parts=training.parts)
    training.go(second)
    with pytest.raises(FileExistsError, match="name another folder"):
        SecondStep(tmp_path, training.train, epochs=1, parts=training.parts, resume=False)


def test_damaged_checkpoints_are_said_and_passed_over(run, tmp_path):
    """The run goes on one epoch earlier."""
    training = run()
    training.go(SecondStep(tmp_path, training.train, epochs=3, parts=training.parts))
    newest = tmp_path / "checkpoints" / "step-000000003.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    again = run()
    with pytest.warns(UserWarning, match="step-000000003.pt is left out"):
        second = SecondStep(tmp_path, again.train, epochs=3, parts=again.parts)
    assert next(iter(second.epochs())) == 2
    second.close()


def test_errors_of_the_background_are_raised(run, tmp_path):
    """At the latest when the run ends."""
    training = run()

    def fail() -> None:
        raise ValueError("a plot")

    second = SecondStep(tmp_path, training.train, epochs=1, parts=training.parts)
    second.work.submit(fail, stream="plots")
    with pytest.raises(ValueError, match="a plot"):
        training.go(second)
    loaded = load_latest(tmp_path / "checkpoints")
    assert loaded is not None  # all else was finished
    second.close()


def test_the_loops_own_error_is_the_one_to_be_seen(run, tmp_path, capsys):
    """The background's is printed beside it."""

    def stop() -> None:
        with SecondStep(tmp_path, run().train, epochs=1, parts={}) as second:
            second.work.submit(int, "x")
            raise Stopped

    with pytest.raises(Stopped):
        stop()
    assert "invalid literal for int()" in capsys.readouterr().err
