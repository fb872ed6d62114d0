"""A store's header: strict JSON under a checksum."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastload.errors import StoreFormatError
from fastload.store.checked_json import dump_json, load_json
from fastload.store.header import StoreHeader, parse_header, seal, unseal
from fastload.store.problem import Problem, dump_problems, load_problems

HEADER = StoreHeader(
    class_names=("cat", "\udcff", "\U0001f600"),
    split_names=("train",),
    source="/photos",
    created_by="x",
    options={"a": 1, "b": None, "c": True, "d": "e"},
    sample_count=7,
    formats=("JPEG",),
    columns=("a", "b"),
    store_id="00",
)


def test_a_header_comes_back() -> None:
    assert parse_header(HEADER.to_json(), "here") == HEADER


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sample_count", -1),
        ("sample_count", True),
        ("sample_count", 1.0),
        ("sample_count", 10**300),
        ("sample_count", None),
        ("class_names", "cat"),
        ("class_names", ["cat", 1]),
        ("class_names", {}),
        ("options", []),
        ("options", {"a": []}),
        ("options", {"a": 1.5}),
        ("source", 1),
        ("tile_width", "32"),
        ("columns", ["a", "a"]),
        ("weather", 1),
    ],
)
def test_values_that_cannot_be_are_refused(name: str, value: Any) -> None:
    values = json.loads(HEADER.to_json())
    values[name] = value
    with pytest.raises(StoreFormatError, match=f"here.*({name}|twice)"):
        parse_header(json.dumps(values).encode(), "here")


def test_a_missing_value_is_refused() -> None:
    values = json.loads(HEADER.to_json())
    del values["formats"]
    with pytest.raises(StoreFormatError, match="missing or unknown: 'formats'"):
        parse_header(json.dumps(values).encode(), "here")


@pytest.mark.parametrize("version", [3, 0, None, "1", True])
def test_another_version_says_which_and_what_to_do(version: object) -> None:
    values = json.loads(HEADER.to_json())
    values["format_version"] = version
    with pytest.raises(StoreFormatError, match=r"expected format version 1 or 2, found .*release"):
        parse_header(json.dumps(values).encode(), "here")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"1",
        b'{"a":1,"a":1}',
        b'{"a":NaN}',
        b'{"a":Infinity}',
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"a":' + b"9" * 10_000 + b"}",
        b'{"a":"\xff"}',
        b"\x80\x04}",
        b'{"a":1} ' + b"x",
    ],
    ids=lambda text: repr(text[:12]),
)
def test_text_that_is_no_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(StoreFormatError, match="here: expected a JSON object"):
        load_json(text, "here")


def test_json_is_ascii_and_keeps_undecodable_names() -> None:
    data = dump_json({"name": "\udcff/é"})
    assert data.isascii()
    assert load_json(data, "here") == {"name": "\udcff/é"}


def test_a_seal_notices_every_flipped_bit() -> None:
    sealed = seal(b"abc")
    assert unseal(sealed, "here") == b"abc"
    for position in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(StoreFormatError, match="here: expected the checksum"):
            unseal(bytes(damaged), "here")
    with pytest.raises(StoreFormatError, match="expected a checksum, found 7 bytes"):
        unseal(sealed[:7], "here")


def test_problems_come_back_line_by_line() -> None:
    problems = [Problem("\udcff\n", "täglich", "empty"), Problem("b", "\u2028\x85\r", "corrupt")]
    lines = dump_problems(problems)
    assert lines.count(b"\n") == 2
    assert list(load_problems(lines, "here")) == problems


@pytest.mark.parametrize("line", [b"{}", b'{"path":1,"reason":"","kind":""}', b"x"])
def test_lines_that_are_no_problems_are_refused(line: bytes) -> None:
    with pytest.raises(StoreFormatError, match="here, problem 1"):
        list(load_problems(line, "here"))
