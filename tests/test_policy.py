"""When to validate, and on how much."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from torch import multiprocessing

from fastload import ValidationPolicy
from support.children import decide_in_rank
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """Not at zero."""
    return Clock(100.0)


def run(policy: ValidationPolicy, clock: Clock, epochs: range, train: float, full: float) -> str:
    """Epochs of so many seconds: f where all is validated, s a subset (a tenth as long), or -."""
    seen = ""
    for epoch in epochs:
        clock.now += train
        decision = policy.after_epoch(epoch)
        seen += ("f" if decision.full else "s") if decision else "-"
        if decision:
            with policy.validating():
                clock.now += full if decision.full else full / 10
    return seen


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every_epochs": 1}, "ffffffffff"),
        ({"every_epochs": 3}, "--f--f--f-"),
        ({"every_epochs": 3, "epochs": 10}, "--f--f--ff"),
        ({"every_epochs": 2, "full_every": 3}, "-s-s-f-s-s"),
        ({"every_epochs": 2, "full_every": 3, "epochs": 10}, "-s-s-f-s-f"),
    ],
)
def test_by_epochs(options, expected, clock):
    """The last epoch always, and in full."""
    assert run(ValidationPolicy(clock=clock, **options), clock, range(10), 1, 1) == expected


@pytest.mark.parametrize(("at_once", "expected"), [(1, [4, 8, 12]), (3, [6, 9, 12])])
def test_by_steps(at_once, expected):
    """Also where a step of the loop counts for several, as with gradient accumulation."""
    policy = ValidationPolicy(every_steps=4)
    due = [n for n in range(at_once, 13, at_once) if policy.after_step(at_once)]
    assert due == expected
    assert policy.steps_left() == 4
    assert policy.after_epoch(0).due is False


def test_by_time_stays_below_its_share(clock):
    """Epochs of 100 s, validations of 20 s: 5 % are one in four epochs."""
    policy = ValidationPolicy(time_share=0.05, clock=clock)
    assert run(policy, clock, range(1), 100, 20) == "f"  # how long it takes is not known yet
    assert run(policy, clock, range(1, 12), 100, 20) == "------f---f"
    assert policy.share == pytest.approx(0.05)


def test_by_time_a_subset_comes_more_often(clock):
    """It takes a tenth of the time."""
    policy = ValidationPolicy(time_share=0.05, full_every=5, clock=clock)
    assert run(policy, clock, range(23), 100, 20) == "ssssfssss--fssssfssss-f"
    assert policy.share <= 0.05


def test_early_stopping_validates_in_full():
    """Unless that was done just now."""
    policy = ValidationPolicy(every_epochs=2, full_every=2, epochs=100)
    assert not policy.after_epoch(0)
    assert policy.last().full
    assert not policy.last()
    assert not policy.after_epoch(2)
    assert policy.last()


def test_the_last_epoch_is_not_validated_twice():
    """By steps and as the last one."""
    policy = ValidationPolicy(every_steps=5, epochs=1)
    assert policy.after_step(5).full
    assert not policy.after_epoch(0)


def test_what_is_known_before():
    """So that batches can be prepared."""
    policy = ValidationPolicy(every_epochs=3, epochs=5)
    assert [policy.validates(epoch) for epoch in range(5)] == [False, False, True, False, True]
    assert policy.steps_left() is None
    assert ValidationPolicy(time_share=0.1, epochs=5).validates(0) is None
    steps = ValidationPolicy(every_steps=10)
    steps.after_step(3)
    assert (steps.steps_left(), steps.validates(0)) == (7, False)


def test_a_resumed_run_decides_the_same(clock):
    """Whatever time has passed in between."""
    options: dict[str, Any] = {"time_share": 0.1, "full_every": 3, "epochs": 20, "clock": clock}
    whole = run(ValidationPolicy(**options), clock, range(20), 100, 50)
    first = ValidationPolicy(**options)
    begun = run(first, clock, range(7), 100, 50)
    state = first.state_dict()
    clock.now += 10_000
    second = ValidationPolicy(**options)
    second.load_state_dict(state)
    assert begun + run(second, clock, range(7, 20), 100, 50) == whole
    with pytest.raises(ValueError, match="version 1, found None"):
        second.load_state_dict({})


def test_an_error_in_validation_counts_its_time(clock):
    """And does not stop the clock of training."""
    policy = ValidationPolicy(every_epochs=1, clock=clock)
    policy.after_epoch(0)

    def fail() -> None:
        with policy.validating():
            clock.now += 10
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    clock.now += 20
    assert policy.share == pytest.approx(0.5)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"every_epochs": -1},
        {"every_epochs": 1, "epochs": 0},
        {"every_epochs": 1, "full_every": 0},
        {"time_share": 1.0},
        {"time_share": float("nan")},
        {"every_steps": -5},
    ],
)
def test_arguments_are_checked(wrong):
    """With what was expected."""
    with pytest.raises(ValueError, match="expected"):
        ValidationPolicy(**wrong)


def test_all_ranks_decide_as_the_first():
    """Their clocks differ; one that validates alone waits for ever."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.SimpleQueue()
    ranks = [
        context.Process(target=decide_in_rank, args=(rank, port, queue), daemon=True)
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    found = dict(queue.get() for _ in ranks)
    for process in ranks:
        process.join()
    assert found == {0: [True, False, False, True], 1: [True, False, False, True]}
