"""Running work on all cores and taking its results in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["available_cores", "ordered"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def available_cores() -> int:
    """Cores that this process may use: affinity and the cgroup's quota (v2) counted in."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        cores = min(cores or 1, max(1, round(int(quota) / int(period))))
    except (OSError, ValueError):  # no cgroup v2, or the quota is "max"
        pass
    return cores or 1


def ordered(
    work: Callable[[int, Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    window: int,
    cancel: Callable[[], None] = lambda: None,
) -> Iterator[tuple[Item, Result]]:
    """``(item, work(ticket, item))`` for each item, in order; tickets count from 0.

    At most ``window`` items are begun and not yet taken. ``work`` runs in ``workers`` threads and
    should spend its time with the GIL released; what it raises is raised here. Where the caller
    stops early, work that has not begun is dropped, ``cancel`` is called, and the threads end.
    """
    pool = ThreadPoolExecutor(workers, thread_name_prefix="fastload-convert")
    waiting: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for ticket, item in enumerate(items):
            if len(waiting) >= window:
                first, future = waiting.popleft()
                yield first, future.result()
                del future  # or its photo would stay until the next one is done
            waiting.append((item, pool.submit(work, ticket, item)))
        while waiting:
            first, future = waiting.popleft()
            yield first, future.result()
            del future
    finally:
        if waiting:
            cancel()
        pool.shutdown(wait=True, cancel_futures=True)
