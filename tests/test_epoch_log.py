"""A row an epoch."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from fastload.epoch_log import EpochLog


def rows(path: Path) -> list[list[str]]:
    """As any reader of CSV sees them."""
    with open(path, newline="") as file:
        return list(csv.reader(file))


def filled(path: Path, epochs: int) -> EpochLog:
    """A log of so many epochs."""
    log = EpochLog(path)
    for epoch in range(epochs):
        log.append(log.row(epoch, {"loss": 1 / (epoch + 1), "a,b": epoch}))
    return log


def test_rows_stand_under_their_names(tmp_path):
    """One header."""
    filled(tmp_path / "new" / "epochs.csv", 2)
    found = rows(tmp_path / "new" / "epochs.csv")
    assert found == [["epoch", "loss", "a,b"], ["0", "1", "0"], ["1", "0.5", "1"]]


def test_a_resumed_run_writes_no_epoch_twice(tmp_path):
    """Rows of epochs whose checkpoint was not written go, and so does half a row."""
    path = tmp_path / "epochs.csv"
    filled(path, 4)
    with open(path, "a") as file:
        file.write("4,0.2")
    log = EpochLog(path, keep_below=2)
    log.append(log.row(2, {"loss": 5, "a,b": 6}))
    assert [row[0] for row in rows(path)] == ["epoch", "0", "1", "2"]
    log = EpochLog(path, keep_below=0)
    log.append(log.row(0, {"other": 1}))
    assert rows(path) == [["epoch", "other"], ["0", "1"]]


def test_a_first_row_that_was_lost(tmp_path):
    """A full disk, say: the names of the columns come with the next."""
    log = EpochLog(tmp_path / "epochs.csv")
    log.row(0, {"loss": 1})
    log.append(log.row(1, {"loss": 2}))
    assert rows(tmp_path / "epochs.csv") == [["epoch", "loss"], ["1", "2"]]


@pytest.mark.parametrize(
    ("left", "kept"),
    [
        ("\n", []),
        ("epoch,loss\r\n0,1.5\r\n1,2.7", ["0"]),  # of 2.75
        ("epoch,loss\r\n0,1.5\r\n\0\0\0\0\r\n", ["0"]),
        ("epoch,loss\r\n0,1.5\r\nx,1\r\n", ["0"]),
    ],
)
def test_what_a_machine_leaves_that_went_down(tmp_path, left, kept):
    """Whole rows stay; nothing keeps the run from going on."""
    path = tmp_path / "epochs.csv"
    path.write_text(left)
    log = EpochLog(path, keep_below=5)
    log.append(log.row(5, {"loss": 3}))
    assert rows(path) == [["epoch", "loss"], *([n, "1.5"] for n in kept), ["5", "3"]]


def test_other_columns_are_refused(tmp_path):
    """They would stand under wrong names."""
    log = filled(tmp_path / "epochs.csv", 1)
    with pytest.raises(ValueError, match=r"expected the columns .*'a,b'.* found .*'loss'\]"):
        log.row(1, {"loss": 1})


def test_another_file_is_not_overwritten(tmp_path):
    """Someone's own."""
    path = tmp_path / "epochs.csv"
    path.write_text("name,age\nx,1\n")
    with pytest.raises(ValueError, match="expected a first column 'epoch', found 'name'"):
        EpochLog(path)
    assert path.read_text() == "name,age\nx,1\n"
