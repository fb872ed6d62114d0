"""Names: printed without harm, and refused where they would lead out of a folder."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastload.convert.names import NameCollisions, printable, unsafe_reason


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a b/ä.jpg", "a b/ä.jpg"),
        ("a\nb\x1b[31m", "a\\nb\\x1b[31m"),
        (os.fsdecode(b"\xff.jpg"), "\\xff.jpg"),
        ("back\\slash", "back\\\\slash"),
        ("\u202egpj.exe", "\\u202egpj.exe"),
    ],
)
def test_printable_names_cannot_act_on_a_terminal(name: str, shown: str) -> None:
    assert printable(name) == shown


@given(st.binary())
def test_any_name_prints_on_one_line(name: bytes) -> None:
    text = printable(os.fsdecode(name))
    assert text.isprintable()
    text.encode("utf-8")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "..", "a/../../b", "a/..", "a//b", "./a", "a/",
                                  "a\0b", "."])  # fmt: skip
def test_names_that_lead_elsewhere_are_unsafe(name: str) -> None:
    assert unsafe_reason(name) is not None


@pytest.mark.parametrize("name", ["a", "a/b.jpg", "..a/b..", "a/...", "new\nline", "-rf", "~/x"])
def test_odd_names_are_safe(name: str) -> None:
    assert unsafe_reason(name) is None


def test_collisions_say_in_what() -> None:
    names = NameCollisions()
    assert names.check("a.jpg") is None
    assert names.check("A.jpg") == ("a.jpg", "case")
    assert names.check("\u00e9") is None
    assert names.check("e\u0301") == ("\u00e9", "Unicode normalisation")
