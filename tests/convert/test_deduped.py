"""--dedupe leaves out what repeats, says so, and does the same however often it is interrupted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from fastload.convert import Finding, PackOptions, Severity, pack, unpack, verify
from fastload.convert.deduped import deduped
from fastload.convert.progress import Silent
from fastload.convert.sources import SourceItem, find_source
from fastload.errors import ResumeError
from fastload.store import Store, partial_path
from support.commands import invoke
from support.interrupt import StopAfter
from support.layouts import LAYOUTS
from support.trees import content_hash, write_photo
from support.yolo import yolo_set


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Classes x and y in train and val; what repeats is named ``repeat``."""
    root = tmp_path / "src"
    for number in range(6):
        write_photo(root / "train" / "x" / f"p{number}.jpg", 40, 50, seed=number)
        write_photo(root / "val" / "x" / f"p{number}.jpg", 40, 50, seed=100 + number)
    shutil.copy(root / "train/x/p1.jpg", root / "train/x/p3-repeat.jpg")
    (root / "train/y").mkdir()
    shutil.copy(root / "train/x/p1.jpg", root / "train/y/repeat.jpg")
    shutil.copy(root / "val/x/p2.jpg", root / "train/x/p0-repeat.jpg")
    shutil.copy(root / "val/x/p2.jpg", root / "val/x/p4-repeat.jpg")
    for name in ("train/x/e1.jpg", "train/x/e2.jpg"):
        (root / name).write_bytes(b"")
    return root


def packed(source: Path, store: Path, **choices: object) -> tuple[set[str], list[Finding]]:
    """The names in the store, and the findings."""
    found: list[Finding] = []
    pack(source, store, on_finding=found.append, **choices)
    with Store(store) as opened:
        return set(opened.names), found


def test_repeats_are_left_out_and_each_is_named_with_what_it_repeats(
    source: Path, tmp_path: Path
) -> None:
    names, findings = packed(source, tmp_path / "o.lmdb", dedupe="exact")
    assert len(names) == 12
    assert not any("repeat" in name for name in names)
    left_out = {finding.name: finding for finding in findings if "left out" in finding.detail}
    assert {name: finding.kind for name, finding in left_out.items()} == {
        "train/x/p0-repeat.jpg": "leak",
        "train/x/p3-repeat.jpg": "duplicate",
        "train/y/repeat.jpg": "duplicate",
        "val/x/p4-repeat.jpg": "duplicate",
    }
    assert {finding.severity for finding in left_out.values()} == {Severity.NOTE}
    assert "val/x/p2.jpg in val" in left_out["train/x/p0-repeat.jpg"].detail
    assert "its class is 'y', not 'x'" in left_out["train/y/repeat.jpg"].detail
    # Files that cannot be packed are no repeats: each is a problem.
    assert sum(finding.kind == "empty" for finding in findings) == 2


def test_stores_of_single_splits_leave_out_the_same(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "o.lmdb", dedupe="exact", split_stores=True)
    names = set()
    for split in ("train", "val"):
        with Store(tmp_path / f"o-{split}.lmdb") as opened:
            names |= set(opened.names)
    assert len(names) == 12
    assert not any("repeat" in name for name in names)


def test_near_repeats_go_too(source: Path, tmp_path: Path) -> None:
    pytest.importorskip("imagehash")
    with Image.open(source / "train/x/p5.jpg") as image:
        image.resize((64, 48)).save(source / "val/x/p9.jpg", quality=60)
    names, findings = packed(source, tmp_path / "o.lmdb", dedupe="near", near=6)
    assert "val/x/p9.jpg" in names
    assert "train/x/p5.jpg" not in names
    assert len(names) == 12
    (near,) = (finding for finding in findings if finding.kind == "near-leak")
    assert "of 64 bits apart from val/x/p9.jpg in val" in near.detail


def test_a_file_that_stands_in_two_splits_is_kept_in_the_held_out_one(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yolo_set(root, 4)
    (root / "all.txt").write_text("".join(f"./images/train/p{n}.jpg\n" for n in (1, 2)))
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: all.txt\nnames: [a, b]\n"
    )
    found: list[Finding] = []
    pack(root / "data.yaml", tmp_path / "o.lmdb", dedupe="exact", on_finding=found.append)
    with Store(tmp_path / "o.lmdb") as opened:
        splits = [opened.header.split_names[code] for code in opened.column("split")]
        assert sorted(zip(opened.names, splits, strict=True)) == [
            ("images/train/p1.jpg", "test"), ("images/train/p2.jpg", "test"),
            ("images/val/p0.jpg", "val"), ("images/val/p3.jpg", "val"),
        ]  # fmt: skip
    assert sum(finding.kind == "leak" for finding in found) == 2


class StopWhilePacking(StopAfter):
    """Ctrl-C while photos are packed, and not while duplicates are looked for."""

    def start(self, task: str, total: int, done: int = 0) -> None:
        self._task = task

    def advance(self, photos: int, source_bytes: int) -> None:
        if self._task == "packing":
            super().advance(photos, source_bytes)


def test_an_interrupted_packing_goes_on_to_the_same(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    names, _ = packed(source, tmp_path / "whole.lmdb", dedupe="exact")
    with pytest.raises(KeyboardInterrupt):
        pack(source, tmp_path / "o.lmdb", dedupe="exact", progress=StopWhilePacking(5))
    assert partial_path(tmp_path / "o.lmdb").exists()
    with pytest.raises(ResumeError):
        pack(source, tmp_path / "o.lmdb")
    again, _ = packed(source, tmp_path / "o.lmdb", dedupe="exact")
    assert again == names
    assert content_hash(tmp_path / "o.lmdb") == content_hash(tmp_path / "whole.lmdb")


def test_verify_and_unpack_hold_for_what_is_in_the_store(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "o.lmdb", dedupe="exact")
    report = verify(tmp_path / "o.lmdb", source)
    assert report.differences_count == 0, report.as_json()
    assert unpack(tmp_path / "o.lmdb", tmp_path / "back").files == 12


def test_choices_are_checked_and_are_part_of_the_content() -> None:
    assert PackOptions(dedupe="near", near=3).content()["near"] == 3
    assert "dedupe" not in PackOptions().content()
    for wrong in ({"dedupe": "all"}, {"near": 16}):
        with pytest.raises(ValueError, match="expected"):
            PackOptions(**wrong)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_without_repeats_every_layout_gives_the_same_items(layout: str, tmp_path: Path) -> None:
    opened = find_source(LAYOUTS[layout](tmp_path / "src"))
    again = deduped(opened, near=None, max_file_bytes=1 << 20, workers=2, progress=Silent())
    kept = [item for item in opened.items() if isinstance(item, SourceItem)]
    left_out = set(again.left_out)
    assert [item for item in again.items() if isinstance(item, SourceItem)] == [
        item for item in kept if (item.name, item.split) not in left_out
    ]
    for name in ("layout", "root", "class_names", "split_names", "annotations", "files", "state"):
        assert getattr(again, name) == getattr(opened, name)
    for split in range(len(opened.split_names)):
        assert all(item.split == split for item in again.select(split).items()
                   if isinstance(item, SourceItem))  # fmt: skip


def test_the_command_counts_and_lists_them(source: Path, tmp_path: Path) -> None:
    lines = tmp_path / "left-out.jsonl"
    found = json.loads(
        invoke("convert", source, tmp_path / "o.lmdb", "--dedupe", "exact", "--json",
               "--problems", lines, code=4)
    )  # fmt: skip
    assert found["photos"] == 12
    assert (found["notes"]["duplicate"]["count"], found["notes"]["leak"]["count"]) == (3, 1)
    assert sum("left out" in line for line in lines.read_text().splitlines()) == 4
    assert "--dedupe near" in invoke("convert", source, tmp_path / "p.lmdb", "--near", 3, code=2)
