"""When preparing begins."""

from __future__ import annotations

import pytest

from fastload.overlap.pace import Pace
from support.clock import Clock


@pytest.fixture
def clock() -> Clock:
    """At zero."""
    return Clock()


def run(pace: Pace, clock: Clock, steps: int, seconds: float) -> None:
    """An epoch's first steps."""
    pace.step(0)
    for number in range(1, steps + 1):
        clock.now += seconds
        pace.step(number)


def test_what_was_never_done_begins_in_the_middle(clock):
    """Nothing is known of how long it takes."""
    pace = Pace(clock)
    run(pace, clock, 49, 1.0)
    assert not pace.is_time(51)
    pace.step(50)
    assert pace.is_time(50)


def test_it_begins_as_late_as_it_can(clock):
    """Memory is held from then on: the time it took, half as much again, and three steps."""
    pace = Pace(clock)
    run(pace, clock, 10, 1.0)
    pace.begin()
    clock.now += 20
    pace.end()
    assert pace.step_seconds == pytest.approx(1.0)
    assert not pace.is_time(34)
    assert pace.is_time(33)


def test_a_miss_makes_it_begin_earlier(clock):
    """Twice the time that it had."""
    pace = Pace(clock)
    run(pace, clock, 10, 1.0)
    pace.begin()
    for number in range(11, 16):
        clock.now += 1
        pace.step(number)
    pace.miss()
    assert pace.prepare_seconds == pytest.approx(12.0)


def test_the_pause_between_epochs_is_no_step(clock):
    """Validation may take minutes, which say nothing of training's steps."""
    pace = Pace(clock)
    run(pace, clock, 10, 1.0)
    clock.now += 500
    run(pace, clock, 10, 1.0)
    assert pace.step_seconds == pytest.approx(1.0)


def test_the_last_steps_are_always_time(clock):
    """Also where preparing took no time at all."""
    pace = Pace(clock)
    pace.begin()
    pace.end()
    run(pace, clock, 5, 1.0)
    assert not pace.is_time(4)
    assert pace.is_time(3)
