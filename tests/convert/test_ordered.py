"""Work on all cores comes back in order, and within its budget."""

from __future__ import annotations

import threading
import time

import pytest

from fastload.convert.budget import ByteBudget, GivenUpError
from fastload.convert.ordered import available_cores, ordered


def test_results_keep_the_order_of_the_items() -> None:
    def work(ticket: int, item: int) -> int:
        time.sleep(0.002 * (item % 5))
        return item * item

    found = list(ordered(work, range(50), workers=8, window=16))
    assert found == [(item, item * item) for item in range(50)]


def test_no_more_than_the_window_is_begun() -> None:
    begun: list[int] = []

    def work(ticket: int, item: int) -> None:
        begun.append(item)

    results = ordered(work, range(1000), workers=4, window=10)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 11
    results.close()


def test_an_error_in_the_work_is_raised_and_ends_the_threads() -> None:
    def work(ticket: int, item: int) -> None:
        if item == 3:
            raise KeyError("three")

    before = threading.active_count()
    with pytest.raises(KeyError, match="three"):
        list(ordered(work, range(100), workers=4, window=8))
    assert threading.active_count() == before


def test_stopping_early_wakes_those_who_wait_for_the_budget() -> None:
    budget = ByteBudget(100)

    def work(ticket: int, item: int) -> None:
        budget.acquire(60, ticket)  # the second waits for ever, were it not cancelled

    results = ordered(work, range(10), workers=2, window=4, cancel=budget.cancel)
    next(results)
    results.close()


def test_the_next_in_order_is_let_in_whatever_others_hold() -> None:
    budget = ByteBudget(100)
    budget.acquire(90, ticket=1)
    budget.acquire(1000, ticket=0)
    budget.release(1000, next_ticket=1)
    budget.cancel()
    with pytest.raises(GivenUpError):
        budget.acquire(20, ticket=7)


def test_large_and_small_items_pass_a_small_budget_in_order() -> None:
    budget = ByteBudget(100)
    held = peak = 0
    lock = threading.Lock()

    def work(ticket: int, size: int) -> int:
        nonlocal held, peak
        budget.acquire(size, ticket)
        with lock:
            held += size
            peak = max(peak, held)
        return size

    sizes = [(7 * number) % 90 + (200 if number % 13 == 0 else 1) for number in range(300)]
    for ticket, (_, size) in enumerate(ordered(work, sizes, workers=8, window=64)):
        with lock:
            held -= size
        budget.release(size, ticket + 1)
    assert peak <= 100 + max(sizes)


def test_cores_are_at_least_one() -> None:
    assert available_cores() >= 1
