"""Numbers of things in words."""

from __future__ import annotations

from fastload.convert.counted import counted, tallied


def test_one_is_singular_and_all_else_is_plural() -> None:
    assert counted(1, "photo") == "1 photo"
    assert counted(0, "photo") == "0 photos"
    assert counted(1234567, "photo") == "1,234,567 photos"
    assert counted(1, "class has", "classes have") == "1 class has"
    assert counted(2, "class has", "classes have") == "2 classes have"


def test_what_is_always_plural_has_its_count_behind_it() -> None:
    assert tallied("masks", 1) == "masks (1)"
    assert tallied("crowds: left out", 1234) == "crowds (1,234): left out"
