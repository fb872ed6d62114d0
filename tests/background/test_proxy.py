"""Loggers whose methods run in the background."""

from __future__ import annotations

import copy
import csv
from typing import Any

import pytest

from fastload import BackgroundWorker


@pytest.fixture
def work() -> Any:
    """Closed at the end, whatever has happened."""
    with BackgroundWorker() as worker:
        yield worker


def test_a_logger_writes_in_the_background(work, tmp_path):
    """Its methods in order, its attributes at once."""
    with open(tmp_path / "log.csv", "w", newline="") as file:
        writer = work.wrap(csv.writer(file))
        for row in range(100):
            writer.writerow([row, row**2])
        assert writer.dialect is not None
        work.wait()
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [[str(row), str(row**2)] for row in range(100)]


class Recorder:
    """A logger that takes anything."""

    level = 0

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def log(self, /, **named: Any) -> None:
        """Remember it."""
        self.calls.append(named)


def test_a_loggers_own_names_reach_it(work):
    """Also those that `submit` knows, and what is set."""
    target = Recorder()
    logger = work.wrap(target)
    named = {"stream": "s", "copy": 1, "function": 2}
    logger.log(**named)
    work.submit(target.log, self=1, function=2)
    logger.level = 5
    work.wait()
    assert target.calls == [named, {"self": 1, "function": 2}]
    assert target.level == logger.level == 5
    assert copy.copy(logger).level == 5
