"""``convert --update`` and ``--dry-run``, ``merge`` and ``split``, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.commands import invoke
from support.trees import image_folder, snapshot, write_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "src", classes=2, photos=3)


def test_an_update_says_what_it_did(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    assert "  update   6 added\n" in invoke("convert", source, out, "--update")
    assert "--update packs only what is new" in invoke("convert", source, out, code=1)
    write_photo(source / "class_0" / "new.jpg", seed=9)
    (source / "class_1" / "photo_000.jpg").unlink()
    before = snapshot(tmp_path)
    dry = invoke("convert", source, out, "--update", "--dry-run")
    assert "would be in" in dry
    assert "nothing was written" in dry
    assert snapshot(tmp_path) == before
    line = "  update   1 added, 1 removed, 5 unchanged\n"
    assert line in dry
    assert line in invoke("convert", source, out, "--update", "--checksum")
    found = json.loads(invoke("convert", source, out, "--update", "--json"))
    changes = {"added": 0, "changed": 0, "relabelled": 0, "renamed": 0, "moved": 0, "removed": 0}
    assert found["changes"] == changes | {"unchanged": 6}
    assert found["packed_photos"] == 0
    dry_found = json.loads(invoke("convert", source, tmp_path / "x.lmdb", "--dry-run", "--json"))
    assert (dry_found["dry_run"], dry_found["published"], dry_found["photos"]) == (True, False, 6)
    for wrong in (["--checksum"], ["--update", "--overwrite"]):
        invoke("convert", source, out, *wrong, code=2)


def test_a_dry_run_lists_bad_files(source: Path, tmp_path: Path) -> None:
    (source / "class_0" / "bad.jpg").write_bytes(b"")
    text = invoke("convert", source, tmp_path / "out.lmdb", "--dry-run", code=4)
    assert "class_0/bad.jpg" in text
    text = invoke("convert", source, tmp_path / "out.lmdb", "--dry-run", "--strict", code=3)
    assert "6 photos" in text
    assert "--strict: nothing would be published" in text
    assert not list(tmp_path.glob("out*"))


def test_a_store_is_split_and_merged(source: Path, tmp_path: Path) -> None:
    store, whole = tmp_path / "store.lmdb", tmp_path / "whole.lmdb"
    invoke("convert", source, store, "-q")
    text = invoke("split", store, tmp_path / "part", "--ratio", "a=0.5,b=0.5", "--stratify")
    assert "photos in" in text
    parts = [tmp_path / "part-a.lmdb", tmp_path / "part-b.lmdb"]
    report = json.loads(invoke("merge", *parts, whole, "--json"))
    assert (report["photos"], report["splits"], report["classes"]) == (6, ["a", "b"], 2)
    found = json.loads(invoke("verify", whole, "--source", source, "--json"))
    assert found["content_hash"] == report["content_hash"]
    text = invoke("merge", store, whole, tmp_path / "x.lmdb", code=1)
    assert "--duplicates first or last" in text
    assert len(text.splitlines()) == 1
    text = invoke("merge", store, whole, tmp_path / "x.lmdb", "--duplicates", "last")
    assert "left out 6 photos" in text
    (tmp_path / "list.txt").write_bytes(b"class_0/photo_001.jpg\r\n\n")
    found = json.loads(invoke("split", store, tmp_path / "y", "--list",
                              f"small={tmp_path / 'list.txt'}", "--json"))  # fmt: skip
    assert (found["left_out"], found["stores"][0]["photos"]) == (5, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        ["--ratio", "a"], ["--ratio", "a=x"], ["--ratio", "a=0.5,a=0.5"], ["--ratio", "a=0.5"],
        ["--list", "a"], ["--list", "a=b", "--ratio", "a=1"], ["--stratify"],
    ],
)  # fmt: skip
def test_wrong_usage_of_split(source: Path, tmp_path: Path, wrong: list[str]) -> None:
    assert "Usage:" in invoke("split", source, tmp_path / "x", *wrong, code=2)
