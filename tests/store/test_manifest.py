"""A manifest may come from anywhere: nothing in it is believed before it was checked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fastload.errors import StoreFormatError
from fastload.store.manifest import Manifest, ManifestFile, Shard, parse_manifest

SHARDS = tuple(
    Shard(f"shard-{n}.lmdb", 100 + n, f"{n:064x}", 3 + n, f"{n:032x}", f"{n + 9:032x}")
    for n in range(2)
)
MANIFEST = Manifest(
    "a" * 32, 7, "b" * 32, ("ape", "bee"), (), ManifestFile("columns.lmdb", 50, "c" * 64), SHARDS
)


def test_it_comes_back() -> None:
    assert parse_manifest(MANIFEST.to_json(), "here") == MANIFEST
    assert MANIFEST.shard_bytes == 201


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"samples": 8},
        {"samples": -1},
        {"samples": 7.0},
        {"class_names": [1]},
        {"more": 1},
        {"shards": None},
        {"columns": {"name": "columns.lmdb"}},
        {"store_id": "A" * 32},
    ],
    ids=str,
)
def test_values_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    values = {**json.loads(MANIFEST.to_json()), **change}
    with pytest.raises(StoreFormatError, match="here"):
        parse_manifest(json.dumps(values).encode(), "here")


@pytest.mark.parametrize(
    "name",
    ["", "..", "../x", "a/b", "/etc/passwd", ".x", "a\\b", "a\n", "x" * 300, "columns.lmdb", 7],
)
def test_names_stay_in_the_folder_and_stand_once(name: object) -> None:
    values = json.loads(MANIFEST.to_json())
    values["shards"][1]["name"] = name
    with pytest.raises(StoreFormatError):
        parse_manifest(json.dumps(values).encode(), "here")


@pytest.mark.parametrize(
    ("member", "value"),
    [("bytes", -1), ("bytes", 1 << 60), ("bytes", True), ("sha256", "x"), ("samples", None)],
)
def test_what_is_said_of_a_shard_is_checked(member: str, value: object) -> None:
    values = json.loads(MANIFEST.to_json())
    values["shards"][0][member] = value
    with pytest.raises(StoreFormatError):
        parse_manifest(json.dumps(values).encode(), "here")


def test_no_json_is_no_manifest() -> None:
    for data in (b"", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 100_000):
        with pytest.raises(StoreFormatError, match="here"):
            parse_manifest(data, "here")
