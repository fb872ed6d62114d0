"""A document read piece by piece gives what reading it at once gives: values, places, errors."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from fastload.convert.json_reader import JsonReader
from fastload.convert.labelled import LabelError
from fastload.convert.safe_json import load_json_bytes


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[place : place + size] for place in range(0, len(data), size))


def read(data: bytes, size: int) -> dict[str, Any]:
    """All of a document; elements of lists must stand where they are said to stand."""
    reader = JsonReader(pieces(data, size))
    found: dict[str, Any] = {}
    for name in reader.members():
        if not reader.is_list():
            found[name] = reader.value()
            continue
        found[name] = []
        for value, offset, count in reader.elements():
            assert json.loads(data[offset : offset + count]) == value
            found[name].append(value)
    return found


VALUES: list[Any] = [
    0, -1, 123456789012345678, 1.5, -2.5e-7, 1e100, "", "plain", "\u00e9\u4e2d\U0001f600", 'a"\\\n',
    True, False, None, [], {}, [[]], [1, [2.25, {"x": [3]}]], {"a": {"b": "\u4e2d"}, "c": -0.125},
]  # fmt: skip


@pytest.mark.parametrize("ascii_only", [True, False])
def test_any_document_in_pieces_of_any_size(ascii_only: bool) -> None:
    source = random.Random(7)
    for round_ in range(60):
        document = {
            f"\u00e9{number}": source.choices(VALUES, k=source.randrange(6))
            if source.random() < 0.7
            else source.choice(VALUES)
            for number in range(source.randrange(5))
        }
        text = json.dumps(document, ensure_ascii=ascii_only, indent=source.choice([None, 1]))
        data = (b"\xef\xbb\xbf" if round_ % 3 == 0 else b"") + text.encode() + b"\n" * (round_ % 2)
        assert read(data, source.choice([1, 2, 3, 5, 17, 1000])) == document


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_errors_are_those_of_reading_it_at_once(size: int) -> None:
    data = json.dumps({"a": VALUES, "b": [{"c": 1.5}]}, indent=0).encode()
    source = random.Random(size)
    damaged = [data[:end] for end in range(0, len(data), 3)]
    for _ in range(150):
        place = source.randrange(len(data))
        damaged.append(data[:place] + source.choice([b",", b"}", b"]", b"x", b'"', b"\n", b"1"])
                       + data[place + source.randrange(2) :])  # fmt: skip
    for text in (
        *damaged,
        b'{"a": [1, 2]} x',
        b'{"a": 1,}',
        b"{1: 2}",
        b'{"a" 1}',
        b'{"a": [1 2]}',
    ):
        expected: object
        try:
            expected = load_json_bytes(text)
        except LabelError as error:
            if "trailing comma" in error.detail:
                continue  # Python 3.13 has words of its own for it, and another place
            expected = error.line, error.detail
        try:
            found: object = read(text, size)
        except LabelError as error:
            found = error.line, error.detail
        assert found == expected, text


def test_bytes_that_are_no_utf8_are_named_by_their_place() -> None:
    with pytest.raises(LabelError, match=r"expected UTF-8, found invalid .* at byte 13$"):
        read(b'{"a": "\xc3\xa9", "\xff": 1}', 4)


def test_no_more_is_read_than_the_next_element_needs() -> None:
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        yield b'{"a": ['
        while True:
            asked += 1
            yield b'{"b": "' + b"x" * 1000 + b'"}, '

    reader = JsonReader(endless())
    assert next(reader.members()) == "a"
    elements = reader.elements()
    for number in range(100):
        assert next(elements)[0] == {"b": "x" * 1000}
        assert asked <= number + 2


def test_what_is_no_object_is_refused() -> None:
    for text in (b"[]", b"1", b'"x"', b"null"):
        with pytest.raises(LabelError, match="expected an object"):
            read(text, 2)
    with pytest.raises(LabelError, match="'a' stands twice"):
        read(b'{"a": 1, "b": 2, "a": 3}', 2)
    with pytest.raises(LabelError, match="'a' stands twice"):
        read(b'{"b": [{"a": 1, "a": 3}]}', 2)
