"""Errors of what is closed: one is raised, none is lost, and none ends its receiver."""

from __future__ import annotations

import io
import sys

import pytest

from fastload.closing import Closing, print_error, raise_first


class Broken(Closing):
    """Cannot be closed."""

    def close(self) -> None:
        raise ValueError("in the background")


def test_the_end_of_a_block_closes(capsys):
    """An error on its way is the one to be seen, and the other is printed."""
    with pytest.raises(ValueError, match="in the background"), Broken():
        pass
    with pytest.raises(KeyError, match="in front"), Broken():
        raise KeyError("in front")
    assert "ValueError: in the background" in capsys.readouterr().err


def test_the_first_error_is_raised_and_the_others_are_printed(capsys):
    """Nothing where there is none."""
    raise_first([])
    with pytest.raises(ValueError, match="first"):
        raise_first([ValueError("first"), KeyError("second")])
    assert capsys.readouterr().err == "KeyError: 'second'\n"


def test_what_ended_a_job_ends_nobody_else():
    """It is the cause of an error that can be caught as any."""
    with pytest.raises(RuntimeError, match=r"ended by SystemExit\(0\)") as caught:
        raise_first([SystemExit(0)])
    assert isinstance(caught.value.__cause__, SystemExit)


def test_nothing_is_raised_where_there_is_nothing_to_print_to(monkeypatch):
    """None, or closed."""
    closed = io.StringIO()
    closed.close()
    for stream in (None, closed):
        monkeypatch.setattr(sys, "stderr", stream)
        print_error(ValueError("text"))
