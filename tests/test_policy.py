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
        ({"every_epochs": 1, "full_every": 1}, "ffffffffff"),
        ({"every_epochs": 1, "full_every": 4}, "sssfsssfss"),
        ({"every_epochs": 1, "full_every": 4, "epochs": 10}, "sssfsssfsf"),
        ({"every_epochs": 2, "full_every": 4}, "-s-f-s-f-s"),
        ({"every_epochs": 2, "full_every": 3}, "-s-f-f-s-f"),
        ({"every_epochs": 4, "full_every": 2}, "---f---f--"),
    ],
)
def test_by_epochs(options, expected, clock):
    """The last epoch always, and in full; so is the first validation behind so many epochs."""
    assert run(ValidationPolicy(clock=clock, **options), clock, range(10), 1, 1) == expected


@pytest.mark.parametrize(("at_once", "expected"), [(1, [4, 8, 12]), (3, [6, 9, 12])])
def test_by_steps(at_once, expected):
    """Also where a step of the loop counts for several, as with gradient accumulation."""
    policy = ValidationPolicy(every_steps=4)
    due = [n for n in range(at_once, 13, at_once) if policy.after_step(at_once)]
    assert due == expected
    assert policy.steps_left() == 4
    assert policy.after_epoch(0).due is False


def decisions(policy: ValidationPolicy, epochs: range, steps: int = 4) -> str:
    """A loop that asks behind each step and each epoch: an epoch is "..s.-" or the like.

    A full stop or a letter for each step, then a dash or a letter for the epoch's end.
    """

    def letter(decision: Any, otherwise: str) -> str:
        return otherwise if not decision else "f" if decision.full else "s"

    return " ".join(
        "".join([letter(policy.after_step(), ".") for _ in range(steps)])
        + letter(policy.after_epoch(epoch), "-")
        for epoch in epochs
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"every_steps": 4, "every_epochs": 1}, "...f- ...f- ...f- ...f-"),
        ({"every_steps": 2, "every_epochs": 1}, ".f.f- .f.f- .f.f- .f.f-"),
        ({"every_steps": 3, "every_epochs": 2}, "..f.- .f..f f..f- ..f.f"),
        ({"every_steps": 2, "every_epochs": 1, "full_every": 1}, ".s.f- .s.f- .s.f- .s.f-"),
        ({"every_steps": 2, "every_epochs": 1, "full_every": 2}, ".s.s- .s.f- .s.s- .s.f-"),
        ({"every_steps": 2, "every_epochs": 1, "full_every": 3, "epochs": 4},
         ".s.s- .s.s- .s.f- .s.f-"),
        ({"every_steps": 4, "full_every": 2}, "...s- ...f- ...s- ...f-"),
        ({"every_steps": 3, "full_every": 2}, "..s.- .s..- f..s- ..s.-"),
        ({"every_steps": 8, "time_share": 0.9}, "....f ...f- ....f ...f-"),
        ({"every_steps": 8, "epochs": 4}, "....- ...f- ....- ...f-"),
        ({"every_steps": 7, "epochs": 4}, "....- ..f.- ....- .f..f"),
    ],
)  # fmt: skip
def test_rules_that_fall_together_are_one_validation(options, expected):
    """On an epoch's last step: of the whole set where any of them asks for that."""
    policy = ValidationPolicy(**options, steps_per_epoch=4)
    assert decisions(policy, range(4)) == expected


def test_a_step_that_cannot_know_its_epoch_ends():
    """Only there the whole set may come behind a subset; never the same again."""
    options: dict[str, Any] = {"every_steps": 4, "every_epochs": 1}
    assert decisions(ValidationPolicy(**options), range(2)) == "...f- ...f-"
    assert decisions(ValidationPolicy(**options, full_every=2), range(3)) == "...s- ...sf ...s-"
    # A length that is not what comes: epochs are left earlier, or go on.
    for wrong in (3, 5):
        policy = ValidationPolicy(**options, full_every=2, steps_per_epoch=wrong)
        assert decisions(policy, range(3)) == "...s- ...sf ...s-"


def test_a_policy_by_steps_that_is_not_told_of_them():
    """It still validates behind epochs, each time."""
    policy = ValidationPolicy(every_steps=4, every_epochs=1)
    assert [policy.after_epoch(epoch).due for epoch in range(3)] == [True, True, True]


def test_epochs_that_are_counted_anew():
    """As for another training with the same policy."""
    policy = ValidationPolicy(every_epochs=1, full_every=3)
    assert [policy.after_epoch(epoch).full for epoch in (0, 1, 2, 0, 1, 2)] == [
        False, False, True, True, False, True,
    ]  # fmt: skip


def test_by_time_stays_below_its_share(clock):
    """Epochs of 100 s, validations of 20 s: 5 % are one in four epochs."""
    policy = ValidationPolicy(time_share=0.05, clock=clock)
    assert run(policy, clock, range(1), 100, 20) == "f"  # how long it takes is not known yet
    assert run(policy, clock, range(1, 12), 100, 20) == "------f---f"
    assert policy.share == pytest.approx(0.05)


def test_by_time_a_subset_comes_more_often(clock):
    """It takes a tenth of the time; the whole set once in five epochs, as it fits."""
    policy = ValidationPolicy(time_share=0.05, full_every=5, clock=clock)
    assert run(policy, clock, range(23), 100, 20) == "ssssfssss--fss-fsss--fs"
    assert policy.share <= 0.05


def test_early_stopping_validates_in_full():
    """Unless that was done just now."""
    policy = ValidationPolicy(every_epochs=2, full_every=4, epochs=100)
    assert not policy.after_epoch(0)
    assert policy.last().full
    assert not policy.last()
    assert not policy.after_epoch(1).full
    assert policy.last().full
    assert not policy.after_epoch(2)
    assert policy.last()
    policy.after_step()
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
    with pytest.raises(ValueError, match="version 1 or 2, found None"):
        second.load_state_dict({})


def test_a_run_that_is_resumed_within_an_epoch_decides_the_same():
    """Its steps, where its epoch ends, and when the whole set is due."""
    options: dict[str, Any] = {"every_steps": 2, "every_epochs": 1, "full_every": 3}
    options["steps_per_epoch"] = 4
    whole = ValidationPolicy(**options)
    begun = decisions(whole, range(2)) + " " + str([whole.after_step().full for _ in range(3)])
    second = ValidationPolicy(**options)
    second.load_state_dict(whole.state_dict())
    assert begun == ".s.s- .s.s- [False, False, False]"
    assert decisions(second, range(2, 3), steps=1) == "f-"


def test_a_state_that_counted_validations_is_read():
    """Of version 1; the whole set comes with the next epoch."""
    policy = ValidationPolicy(every_epochs=1, every_steps=3, full_every=4, steps_per_epoch=4)
    policy.load_state_dict(
        {
            "version": 1, "validations": 7, "steps": 28, "training_seconds": 70.0,
            "validation_seconds": 7.0, "full_seconds": 2.0, "subset_seconds": 0.5,
        }
    )  # fmt: skip
    assert policy.share == pytest.approx(0.1, rel=1e-3)
    assert decisions(policy, range(7, 9)) == ".s..f s..s-"


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
        {"every_steps": 1, "steps_per_epoch": 0},
        {"time_share": 1.0},
        {"time_share": float("nan")},
        {"every_steps": -5},
    ],
)
def test_arguments_are_checked(wrong):
    """With what was expected."""
    with pytest.raises(ValueError, match="expected"):
        ValidationPolicy(**wrong)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_all_ranks_decide_as_the_first():
    """Their clocks differ; one that validates alone waits for ever."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = multiprocessing.get_context("fork")  # which torch need not be imported in again
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
