"""Tables and lists of paths: classes, splits, boxes, and rows that cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fastload import LMDBDataset
from fastload.convert import Finding, Severity, Summary, pack, unpack, verify
from fastload.errors import SourceError
from fastload.store import NO_CLASS, Store
from support.trees import image_folder, snapshot, write_photo


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def photos(root: Path, count: int) -> Path:
    for number in range(count):
        write_photo(root / f"{number}.jpg", 30, 40, seed=number)
    return root


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows in the form that the ending asks for."""
    if path.suffix == ".parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        tab = {".csv": ",", ".tsv": "\t"}[path.suffix]
        lines = [tab.join(rows[0]), *(tab.join(map(str, row.values())) for row in rows)]
        path.write_text("\r\n".join(lines))
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_classes_and_splits_are_those_of_the_rows(tmp_path: Path, ending: str) -> None:
    root = photos(tmp_path / "src", 4)
    rows = [
        {"Image": f"{n}.jpg", "Label": (10, 9, 10, 2)[n], "split": "ab"[n // 2]} for n in range(4)
    ]
    path = written(root / f"t.{ending}", rows)
    summary, _ = packed(path, tmp_path / "o.lmdb")
    assert (summary.layout, summary.problems_count) == ("table", 0)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("2", "9", "10")
        assert store.header.split_names == ("a", "b")
        assert store.column("class_id").tolist() == [2, 1, 2, 0]
        assert store.column("split").tolist() == [0, 0, 1, 1]
        assert store.annotations is None
    assert LMDBDataset(tmp_path / "o.lmdb", split="b").targets == [2, 0]
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("sides", [False, True])
def test_rows_with_boxes_are_objects(tmp_path: Path, ending: str, sides: bool) -> None:
    root = photos(tmp_path / "src", 2)
    names = ("x", "y", "w", "h") if sides else ("x1", "y1", "x2", "y2")
    boxes = [(1.5, 2.5, 3.5, 4.5), (0.0, 0.0, 7.0, 8.0), (1.0, 1.0, 2.0, 2.0)]
    rows = [
        {
            "path": f"{n % 2}.jpg",
            "class": ("dog", "cat", "cat")[n],
            **dict(zip(names, box, strict=True)),
        }
        for n, box in enumerate(boxes)
    ]
    summary, _ = packed(written(root / f"t.{ending}", rows), tmp_path / "o.lmdb")
    assert summary.contents.objects == 3
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        first = store.annotations[0].objects
        assert first.class_ids.tolist() == [1, 0]
        assert first.boxes.tolist() == (
            [[1.5, 2.5, 5, 7], [1, 1, 3, 3]] if sides else [[1.5, 2.5, 3.5, 4.5], [1, 1, 2, 2]]
        )


def test_empty_boxes_say_that_nothing_is_there_and_bad_ones_damage(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 5)
    (root / "t.csv").write_text(
        "file,label,xmin,ymin,xmax,ymax\n0.jpg,,,,,\n1.jpg,a,1,2,1e39,4\n2.jpg,a,5,2,3,4\n"
        "3.jpg,,1,2,3,4\n4.jpg,a,1,2,3,4\n4.jpg,a,1,,3,4\n"
    )
    summary, found = packed(root / "t.csv", tmp_path / "o.lmdb")
    assert summary.contents.labels == {"empty": 1, "damaged": 4}
    details = [detail for _, detail in of_kind(found, "label")]
    assert [detail.split(":")[0] for detail in details] == ["line 3", "line 4", "line 5", "line 7"]


def test_objects_without_a_class_column_are_objects(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 1)
    (root / "t.csv").write_text("file,x1,y1,x2,y2\n0.jpg,1,2,3,4\n")
    assert packed(root / "t.csv", tmp_path / "o.lmdb")[0].class_count == 1


def test_rows_that_cannot_be_are_named_by_line(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 3)
    write_photo(tmp_path / "far.jpg")
    lines = ["path,label", "0.jpg,a", "0.jpg,b", "0.jpg,a", "1.jpg", ",a", "../far.jpg,a", "",
             "a\0.jpg,a", "gone.jpg,a", '"2.jpg",', '"bad"x,a', f"{root}/1.jpg,b"]  # fmt: skip
    (root / "t.csv").write_text("\n".join(lines))
    summary, found = packed(root / "t.csv", tmp_path / "o.lmdb")
    twice = [(f.severity, f.detail) for f in found if f.kind == "listed-twice"]
    assert [severity for severity, _ in twice] == [Severity.PROBLEM, Severity.NOTE]
    assert "line 3: another class, 'b', than t.csv, line 2" in twice[0][1]
    assert [name for name, _ in of_kind(found, "label")] == ["t.csv, line 5", "t.csv, line 12"]
    assert [name for name, _ in of_kind(found, "unsafe-name")] == ["t.csv, line 6", "t.csv, line 9"]
    assert [name for name, _ in of_kind(found, "path-out")] == ["t.csv, line 7"]
    assert "t.csv, line 10" in of_kind(found, "missing")[0][1]
    assert of_kind(found, "photo-without-class")[0][0] == "2.jpg"
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == ["0.jpg", "2.jpg", "1.jpg"]
        assert store.column("class_id").tolist() == [0, NO_CLASS, 1]
    followed, _ = packed(root / "t.csv", tmp_path / "o.lmdb", follow_links=True)
    assert followed.contents.photos == summary.contents.photos + 1


def test_lines_of_json_that_cannot_be_are_named(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 1)
    lines = ['{"file_name": "0.jpg", "label": null}', "{", "[]", '{"label": 1, "label": 2}',
             '{"file_name": ["0.jpg"]}', '{"file_name": "\\ud800.jpg"}']  # fmt: skip
    (root / "t.jsonl").write_text("\n".join(lines))
    _, found = packed(root / "t.jsonl", tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "label")] == [
        "t.jsonl, line 2", "t.jsonl, line 3", "t.jsonl, line 4",
    ]  # fmt: skip
    assert [name for name, _ in of_kind(found, "unsafe-name")] == [
        "t.jsonl, line 5", "t.jsonl, line 6",
    ]  # fmt: skip


def test_an_open_quote_says_which_lines_it_takes(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 4)
    (root / "t.csv").write_text('path,label\n0.jpg,a\n1.jpg,"b\n2.jpg,a\n3.jpg,"b"\n0.jpg,a\n')
    _, found = packed(root / "t.csv", tmp_path / "o.lmdb")
    ((name, detail),) = of_kind(found, "label")
    assert name == "t.csv, line 3"
    assert "in lines 3 to 5" in detail
    assert len(of_kind(found, "listed-twice")) == 1  # what follows is read


def test_a_label_that_is_no_number_is_none(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 3)
    (root / "t.jsonl").write_text(
        '{"path": "0.jpg", "label": NaN}\n{"path": "1.jpg", "label": 1e999}\n'
        '{"path": "2.jpg", "label": 3.0}\n'
    )
    summary, found = packed(root / "t.jsonl", tmp_path / "o.lmdb")
    assert summary.class_count == 1
    assert [name for name, _ in of_kind(found, "photo-without-class")] == ["0.jpg", "1.jpg"]


def test_boxes_that_seem_to_be_shares_are_remarked(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 2)
    rows = "path,x,y,w,h\n0.jpg,0.5,0.25,1,1\n1.jpg,,,,\n"
    (root / "t.csv").write_text(rows)
    assert "shares" in of_kind(packed(root / "t.csv", tmp_path / "o.lmdb")[1], "label-remark")[0][1]
    (root / "t.csv").write_text(rows + "1.jpg,1,1,5,5\n")
    assert not of_kind(packed(root / "t.csv", tmp_path / "o.lmdb")[1], "label-remark")


def test_photos_of_no_split_are_in_the_store_or_said_to_be_in_none(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 3)
    (root / "t.csv").write_text("path,label,split\n0.jpg,a,x\n1.jpg,a,\n2.jpg,a,y\n")
    assert packed(root / "t.csv", tmp_path / "o.lmdb")[0].contents.photos == 3
    summary, found = packed(root / "t.csv", tmp_path / "o.lmdb", split_stores=True)
    assert [name for name, _ in of_kind(found, "no-split")] == ["1.jpg"]
    assert (summary.contents.photos, summary.problems_count) == (2, 1)
    for path in summary.stores:
        assert verify(path, root / "t.csv").differences_count == 0


BAD = {
    "t.csv": ("a,b\n1,2\n", "expected a column path"),
    "u.csv": ("path,path\n1,2\n", "stands twice"),
    "v.csv": ("", "expected a column"),
    "t.jsonl": ("\n", "expected a column"),
    "t.parquet": ("nonsense", "Parquet"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_file_that_is_no_table_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(BAD[name][0])
    with pytest.raises(SourceError, match=BAD[name][1]):
        pack(tmp_path / name, tmp_path.parent / "o.lmdb")


def test_a_table_of_something_else_does_not_hide_class_folders(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src", classes=2, photos=1)
    (root / "metadata.csv").write_text("author,year\nme,2020\n")
    assert packed(root, tmp_path / "o.lmdb")[0].layout == "imagefolder"


def test_a_list_is_packed_in_its_order(tmp_path: Path) -> None:
    root = photos(tmp_path / "src", 3)
    names = ["2.jpg", "0.jpg", "1.jpg"]
    (root / "a.txt").write_text("\ufeff" + "\r\n".join([*names, "", "a\0b", "."]))
    summary, found = packed(root / "a.txt", tmp_path / "o.lmdb")
    assert (summary.layout, summary.class_count) == ("list", 0)
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == names
    assert len(of_kind(found, "unsafe-name")) == 2
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)
    with pytest.raises(SourceError, match="expected a text file"):
        pack(root, tmp_path / "x.lmdb", layout="list")


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_column_of_objects_holds_boxes(tmp_path: Path, ending: str) -> None:
    root = photos(tmp_path / "src", 4)
    found: list[Any] = [
        {"bbox": [[1, 2, 3, 4], [0.5, 0, 2, 2]], "categories": ["dog", "cat"], "id": [7, 8]},
        {"bbox": [[1, 2, 3]], "categories": ["dog"], "id": [9]},
        {"bbox": [], "categories": [], "id": []},
        None,
    ]
    rows = [{"file_name": f"{n}.jpg", "objects": one} for n, one in enumerate(found)]
    written(root / f"metadata.{ending}", [*rows, rows[0]])
    summary, notes = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"missing": 1, "empty": 1, "present": 1, "damaged": 1}
    where = "row" if ending == "parquet" else "line"
    assert of_kind(notes, "label")[0][1].startswith(f"{where} 2: objects: bbox: expected 4 numbers")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("cat", "dog")
        assert store.annotations is not None
        assert store.annotations.class_ids.tolist() == [1, 0]
        assert store.annotations.boxes.tolist() == [[1, 2, 4, 6], [0.5, 0, 2.5, 2]]
        assert store.annotations.field("id").tolist() == [7, 8]


def test_a_list_may_hold_names_of_any_kind(tmp_path: Path) -> None:
    names = [" lead.jpg", "line\u2028.jpg", "next\x85.jpg", "page\x0c.jpg", "a\rb.jpg", "trail.jpg"]
    for number, name in enumerate(names):
        write_photo(tmp_path / "src" / name, 30, 40, seed=number)
    lines = [*names[:-1], "trail.jpg \t", "dir\\x.jpg", "long" * 2000]
    (tmp_path / "src/a.txt").write_text("\n" + "\n".join(lines), newline="")
    _, found = packed(tmp_path / "src/a.txt", tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == names
    hint = "there is no such file; folders are parted by / here, not by \\"
    assert of_kind(found, "missing") == [("dir\\x.jpg", f"named by a.txt, line 8: {hint}")]
    ((name, detail),) = of_kind(found, "unsafe-name")
    assert (name, len(detail) < 100) == ("a.txt, line 9", True)


@pytest.mark.parametrize("box", ["[1e308, 1, 1e308, 1]", "[1" + "0" * 400 + ", 1, 1, 1]"])
def test_an_object_beyond_all_numbers_damages_its_photo(tmp_path: Path, box: str) -> None:
    root = photos(tmp_path / "src", 1)
    (root / "t.jsonl").write_text(f'{{"path": "0.jpg", "objects": [{{"bbox": {box}}}]}}')
    summary, found = packed(root / "t.jsonl", tmp_path / "o.lmdb")
    assert summary.contents.labels == {"damaged": 1}
    assert "line 1: objects:" in of_kind(found, "label")[0][1]
