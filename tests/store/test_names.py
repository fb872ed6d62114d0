"""``Names``: a sequence of str over two arrays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastload.errors import StoreFormatError
from fastload.store import Names
from fastload.store.names import name_bytes


def make(names: list[bytes]) -> Names:
    """Names over fresh arrays."""
    offsets = np.zeros(len(names) + 1, np.uint64)
    np.cumsum([len(name) for name in names], out=offsets[1:])
    return Names(offsets, np.frombuffer(b"".join(names), np.uint8))


@given(st.lists(st.binary(max_size=8), max_size=30))
def test_they_are_a_sequence_of_str(encoded: list[bytes]) -> None:
    names = make(encoded)
    expected = [name.decode("utf-8", "surrogateescape") for name in encoded]
    assert len(names) == len(expected)
    assert list(names) == expected
    assert names == expected
    assert list(reversed(names)) == expected[::-1]
    for position in range(-len(expected), len(expected)):
        assert names[position] == expected[position]
        assert name_bytes(names[position]) == encoded[position]
    for name in expected:
        assert name in names
        assert names.find(name) == expected.index(name)
    assert names.find("not there at all") is None


@given(
    st.lists(st.binary(max_size=4), max_size=12),
    st.slices(12),
    st.slices(12),
)
def test_slices_are_names_too(encoded: list[bytes], first: slice, second: slice) -> None:
    expected = [name.decode("utf-8", "surrogateescape") for name in encoded]
    part = make(encoded)[first]
    assert isinstance(part, Names)
    assert part == expected[first]
    assert part[second] == expected[first][second]
    for name in expected[first]:
        assert part.find(name) == expected[first].index(name)


def test_positions_outside_are_index_errors() -> None:
    names = make([b"a", b"b"])
    for position in (2, -3, 10**30):
        with pytest.raises(IndexError):
            names[position]


def test_what_is_no_name_is_not_among_them() -> None:
    names = make([b"a"])
    assert 1 not in names
    assert names != "a"
    assert names != ["b"]


def test_repr_shows_a_few() -> None:
    assert repr(make([b"a", b"b", b"c", b"d"])) == "<4 names: 'a', 'b', 'c', ...>"


@pytest.mark.parametrize("offsets", [[], [1, 3], [0, 2], [0, 4], [0, 2, 1, 3], [0, 2**63, 3]])
def test_offsets_that_cannot_be_are_refused(offsets: list[int]) -> None:
    with pytest.raises(StoreFormatError, match="offsets that ascend from 0 to 3"):
        Names(np.array(offsets, np.uint64), np.frombuffer(b"abc", np.uint8))


def test_endings_are_the_last_bytes() -> None:
    encoded = [b"a.jpg", b"", b"x", b"folder/b.jpeg", "é".encode()]
    names = make(encoded)
    expected = [name[-4:].rjust(4, b"\0") for name in encoded]
    assert [row.tobytes() for row in names.endings(4)] == expected
    assert [row.tobytes() for row in names[1:4:2].endings(4)] == expected[1:4:2]
