"""Boxes that reach out of their picture are packed as they are, and said."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastload.convert import Finding, pack
from fastload.store import Store
from support.trees import write_photo
from support.yolo import turned_photo

HEADER = "path,left,top,right,bottom\n"


@pytest.mark.parametrize(
    ("row", "is_said"),
    [
        ("0,0,40,30", False), ("-1,-1,41,31", False), ("-3,0,40,30", True), ("0,-3,40,30", True),
        ("0,0,43,30", True), ("0,0,40,33", True), ("500,500,600,600", True),
    ],
)  # fmt: skip
def test_more_than_rounding_is_said_with_the_first_object(
    tmp_path: Path, row: str, is_said: bool
) -> None:
    write_photo(tmp_path / "src/a.jpg", 30, 40)
    (tmp_path / "src/t.csv").write_text(f"{HEADER}a.jpg,1,1,2,2\na.jpg,{row}\n")
    found: list[Finding] = []
    summary = pack(tmp_path / "src/t.csv", tmp_path / "o.lmdb", on_finding=found.append)
    assert summary.problems_count == 0
    assert [(f.name, f.kind) for f in found] == [("a.jpg", "box-outside")] * is_said
    assert all("1 of 2 boxes" in f.detail and "object 2" in f.detail for f in found)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.boxes[1].tolist() == [float(side) for side in row.split(",")]


def test_it_is_the_upright_picture_that_counts(tmp_path: Path) -> None:
    turned_photo(tmp_path / "src/a.jpg", 30, 40, 6)
    (tmp_path / "src/t.csv").write_text(f"{HEADER}a.jpg,0,0,30,40\n")
    found: list[Finding] = []
    pack(tmp_path / "src/t.csv", tmp_path / "o.lmdb", on_finding=found.append)
    assert found == []
