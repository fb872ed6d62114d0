"""Image sets of Hugging Face: what ``datasets`` wrote, what others write, and what cannot be."""

from __future__ import annotations

import io
import json
import math
import random
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fastload.convert import Finding, Severity, Summary, pack, unpack, verify
from fastload.convert.findings import RefusedError
from fastload.convert.labelled import PhotoSize
from fastload.convert.sources import SourceItem, find_source
from fastload.convert.sources.huggingface import arrow as arrow_module
from fastload.errors import ResumeError, SourceError
from fastload.store import NO_CLASS, Store
from support.huggingface import photos, write_arrow, write_parquet
from support.interrupt import StopAfter

pytest.importorskip("pyarrow")

#: Made by ``datasets`` itself: tests/golden/make_huggingface.py.
GOLDEN = Path(__file__).parents[1] / "golden" / "huggingface"


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    return photos(tmp_path_factory.mktemp("photos"), 4)


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def rows_of(jpegs: list[bytes], **columns: list[Any]) -> list[dict[str, Any]]:
    count = len(next(iter(columns.values()))) if columns else len(jpegs)
    return [
        {"image": {"bytes": jpegs[n % 4], "path": None}, **{k: v[n] for k, v in columns.items()}}
        for n in range(count)
    ]


@pytest.mark.parametrize("form", ["saved", "hub"])
def test_what_datasets_wrote_is_packed_as_it_is(tmp_path: Path, form: str) -> None:
    summary, found = packed(GOLDEN / form, tmp_path / "o.lmdb")
    assert (summary.layout, summary.problems_count) == ("huggingface", 0)
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == [
            "train/00000000-a.png", "train/00000001-b c.png", "train/00000002.png",
            "validation/00000000.png",
        ]  # fmt: skip
        assert store.header.class_names == ("cat", "dog")
        assert store.header.split_names == ("train", "validation")
        assert store.column("class_id").tolist() == [1, 0, NO_CLASS, 1]
        assert store.column("split").tolist() == [0, 0, 0, 1]
        assert store.annotations is None
        for index in range(4):
            with Image.open(io.BytesIO(store.read_source(index))) as image:
                assert image.getpixel((0, 0)) == (40 * index + 7,) * 3
        texts = [[json.loads(file.text) for file in store.label_files(n)] for n in range(4)]
        assert texts == [[{"caption": "one"}], [{"caption": "two"}], [], [{"caption": "four"}]]
    assert [name for name, _ in of_kind(found, "photo-without-class")] == ["train/00000002.png"]
    assert not of_kind(found, "not-packed")
    assert unpack(tmp_path / "o.lmdb", tmp_path / "back").files == 7
    text = (tmp_path / "back/train/00000001-b c.json").read_text()
    assert json.loads(text) == {"caption": "two"}
    assert verify(tmp_path / "o.lmdb", GOLDEN / form).differences_count == 0


def test_scalars_and_lists_of_texts_are_kept_beside_their_photo(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    rows = rows_of(
        jpegs,
        caption=["one", None, "z\u00e9\u4e2d\n", ""] * 150,
        captions=[["a", "b"], None, [], None] * 150,
        score=[0.5, None, math.nan, 1e300] * 150,
        count=[2**62, None, -1, 0] * 150,
        good=[True, None, False, None] * 150,
        vector=[[0.5, 1.5]] * 600,
    )
    (tmp_path / "src").mkdir()
    paths = [
        write_arrow(tmp_path / "src" / "x.arrow", rows[:9]),
        write_parquet(tmp_path / "src" / "x.parquet", rows),
    ]
    for path in paths:
        source = find_source(path)
        found = list(source.items())
        ignored = [each.name for each in found if isinstance(each, Finding)]
        assert ignored == ["vector"]
        for item in [each for each in found if isinstance(each, SourceItem)][::-37]:
            labelled = source.label(item, PhotoSize(32, 40))
            assert labelled is not None
            file, row = labelled.labels.file, rows[item.key]
            if row["count"] is None:
                assert file is None
                continue
            assert file is not None
            wanted = {key: row[key] for key in ("caption", "captions", "score", "count", "good")}
            wanted["score"] = None if math.isnan(row["score"]) else row["score"]
            assert json.loads(file.text) == wanted
            assert file.name == item.name.replace(".jpg", ".json")
            assert source.original(file.name).data == file.text


def test_texts_that_no_store_holds_are_left_out_and_said(
    tmp_path: Path, jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.sources.huggingface.scan.MAX_TEXT_BYTES", 50)
    path = write_parquet(tmp_path / "src" / "x.parquet", rows_of(jpegs, caption=["text" * 5] * 4))
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert summary.contents.photos == 4
    assert [name for name, _ in of_kind(found, "not-packed")] == ["caption"]
    with Store(tmp_path / "o.lmdb") as store:
        assert store.label_files(0) == ()


@pytest.mark.parametrize("form", ["objects", "objects.parquet"])
def test_boxes_of_datasets_are_objects(tmp_path: Path, form: str) -> None:
    packed(GOLDEN / form, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        annotations = store.annotations
        assert annotations is not None
        assert annotations.states.tolist() == [2, 1]
        assert annotations.image_ids is not None
        assert annotations.image_ids.tolist() == [70, 80]
        assert annotations.class_ids.tolist() == [1, 0]
        assert annotations.boxes.tolist() == [[1, 2, 4, 6], [0.5, 0, 2.5, 2]]
        assert annotations.field("id").tolist() == [5, 6]
        assert annotations.field("area").tolist() == [4.0, 2.5]
        assert list(store.names) == ["00000000.jpg", "00000001.jpg"]


NAMES = {"_type": "ClassLabel", "names": ["cat", "dog"]}


@pytest.mark.parametrize(
    ("feature", "is_list"),
    [
        ({"_type": "Sequence", "feature": {"category": NAMES, "bbox": {}}}, False),
        ({"category": {"_type": "List", "feature": NAMES}, "bbox": {}}, False),
        ([{"category": NAMES, "bbox": {}}], True),
        ({"_type": "List", "feature": {"category": NAMES, "bbox": {}}}, True),
    ],
)
def test_all_releases_ways_to_describe_objects_are_known(
    tmp_path: Path, jpegs: list[bytes], feature: Any, is_list: bool
) -> None:
    lists = {"category": [1], "bbox": [[1.0, 2.0, 3.0, 4.0]]}
    value = [{"category": 1, "bbox": lists["bbox"][0]}] if is_list else lists
    rows = rows_of(jpegs, objects=[value])
    features = {"image": {"_type": "Image"}, "objects": feature}
    packed(write_parquet(tmp_path / "src" / "x.parquet", rows, features), tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("cat", "dog")
        assert store.annotations is not None
        assert store.annotations.class_ids.tolist() == [1]


@pytest.mark.parametrize(
    ("labels", "names", "ids"),
    [([3, 0, None], ("0", "1", "2", "3"), [3, 0, -1]), (["b", "a", "b"], ("a", "b"), [1, 0, 1])],
)
def test_without_features_classes_are_what_the_column_holds(
    tmp_path: Path, jpegs: list[bytes], labels: list[Any], names: tuple[str, ...], ids: list[int]
) -> None:
    rows = [{"jpg": row["image"]["bytes"], "cls": row["cls"]} for row in rows_of(jpegs, cls=labels)]
    packed(write_parquet(tmp_path / "src" / "x.parquet", rows), tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == names
        assert store.column("class_id").tolist() == ids


def test_whole_floats_are_classes_and_others_are_kept_as_they_are(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    for last, ids in ((2.0, [1, -1, 2]), (0.5, [-1, -1, -1]), (math.inf, [-1, -1, -1])):
        rows = rows_of(jpegs, label=[1.0, math.nan, last])
        path = write_parquet(tmp_path / "x.parquet", rows)
        _, found = packed(path, tmp_path / "o.lmdb")
        notes = of_kind(found, "no-classes")
        assert [name for name, _ in notes] == ["label"] * (last != 2.0)
        assert all(f"found {last:g} in row 2" in detail for _, detail in notes)
        with Store(tmp_path / "o.lmdb") as store:
            assert store.header.class_names == (("0", "1", "2") if last == 2.0 else ())
            assert store.column("class_id").tolist() == ids
            assert json.loads(store.label_files(0)[0].text) == {"label": 1.0}


def test_a_table_of_photos_that_is_cut_is_named(tmp_path: Path, jpegs: list[bytes]) -> None:
    path = write_parquet(tmp_path / "src" / "x.parquet", rows_of(jpegs))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(SourceError, match=r"x\.parquet: after 0 rows: .*[Pp]arquet"):
        find_source(tmp_path / "src")


def test_objects_that_cannot_be_damage_their_photo_alone(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    def box(*numbers: float, category: object = "dog") -> dict[str, Any]:
        return {"bbox": list(numbers), "category": category, "iscrowd": 1}

    objects = [[box(1, 2, 3, 4)], [box(1, 2, 3)], [box(0, 0, 1, 1), box(1, 2, 3, float("nan"))],
               [box(0, 0, 1, -1)], [], None, [box(0, 0, 1, 1, category="cat")]]  # fmt: skip
    rows = rows_of(jpegs, objects=objects)
    summary, found = packed(
        write_parquet(tmp_path / "src" / "x.parquet", rows), tmp_path / "o.lmdb"
    )
    assert summary.contents.labels == {"missing": 1, "empty": 1, "present": 2, "damaged": 3}
    assert [name for name, _ in of_kind(found, "label")] == [
        "00000001.jpg", "00000002.jpg", "00000003.jpg",
    ]  # fmt: skip
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("cat", "dog")
        assert store.annotations is not None
        assert store.annotations.class_ids.tolist() == [1, 0]
        assert store.annotations.field("crowd").tolist() == [1, 1]


def test_a_class_that_the_names_do_not_have_is_a_problem(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "a"]}}
    path = write_parquet(tmp_path / "src" / "x.parquet", rows_of(jpegs, label=[0, 2, -1]), features)
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "label")] == ["00000001.jpg"]
    assert of_kind(found, "class-name-twice")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("a", "a [1]")
        assert store.column("class_id").tolist() == [0, -1, -1]
        assert summary.problems_count == len(store.problems) == 1


def test_names_never_lead_anywhere(tmp_path: Path, jpegs: list[bytes]) -> None:
    paths = ["../../up.jpg", "/etc/x.jpg", "..", "a\\b.jpg", "a\0.jpg", "n" * 300, "\u00e9.jpg"]
    rows = [{"image": {"bytes": jpegs[0], "path": path}} for path in paths]
    (tmp_path / "src").mkdir()
    packed(write_arrow(tmp_path / "src" / "x.arrow", rows), tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == [
            "00000000-up.jpg", "00000001-x.jpg", "00000002.jpg", "00000003-b.jpg",
            "00000004.jpg", "00000005.jpg", "00000006-\u00e9.jpg",
        ]  # fmt: skip


@pytest.mark.parametrize("stream", [True, False])
def test_an_arrow_file_that_is_cut_gives_its_first_batches(
    tmp_path: Path, jpegs: list[bytes], stream: bool
) -> None:
    path = tmp_path / "src" / "x.arrow"
    path.parent.mkdir()
    write_arrow(path, rows_of(jpegs, label=list(range(8))), stream=stream)
    summary, _ = packed(path, tmp_path / "o.lmdb")
    assert (summary.contents.photos, summary.problems_count) == (8, 0)
    assert verify(tmp_path / "o.lmdb", path).differences_count == 0
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 2 // 3])
    if not stream:  # its index stands at the end
        with pytest.raises(SourceError, match=r"column of images; x\.arrow: after 0 rows"):
            pack(path, tmp_path / "p.lmdb")
        return
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert 0 < summary.contents.photos < 8
    assert len(of_kind(found, "damaged-file")) == 1
    for cut in range(0, len(whole), 997):
        path.write_bytes(whole[:cut])
        try:
            source = find_source(path)
        except SourceError:
            continue
        for item in source.items():
            if isinstance(item, SourceItem):
                assert source.read(item, 1 << 30).data in jpegs


def test_rows_without_a_photo_are_problems(tmp_path: Path, jpegs: list[bytes]) -> None:
    images = [{"bytes": jpegs[0], "path": "a.jpg"}, None, {"bytes": None, "path": "b.jpg"}]
    rows = [{"image": image} for image in images]
    (tmp_path / "src").mkdir()
    for path in (write_arrow(tmp_path / "src" / "x.arrow", rows),
                 write_parquet(tmp_path / "src" / "x.parquet", rows)):  # fmt: skip
        summary, found = packed(path, tmp_path / "o.lmdb")
        assert (summary.contents.photos, summary.problems_count) == (1, 2)
        assert {f.kind for f in found} == {"no-photo"}
        assert [f.name[:8] for f in found] == ["00000001", "00000002"]


def test_no_change_of_an_arrow_file_leads_outside_it(tmp_path: Path, jpegs: list[bytes]) -> None:
    """Offsets that lie are noticed before they are followed."""
    rows = [{"image": {"bytes": jpegs[n % 4], "path": f"{n}.jpg"}, "label": n} for n in range(6)]
    path = write_arrow(tmp_path / "x.arrow", rows)
    whole = path.read_bytes()
    source = random.Random(5)
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(source.randrange(1, 4)):
            place = source.randrange(len(data) if source.random() < 0.3 else 2600)
            data[place] = source.choice((0, 255, 128, data[place] ^ 1 << source.randrange(8)))
        path.write_bytes(data)
        try:
            opened = find_source(path)
        except SourceError:
            continue
        for item in opened.items():
            if isinstance(item, SourceItem):
                with suppress(RefusedError):
                    assert len(opened.read(item, 1 << 20).data) <= len(data)


def test_compressed_batches_are_said_to_be(tmp_path: Path, jpegs: list[bytes]) -> None:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(rows_of(jpegs))
    options = arrow.ipc.IpcWriteOptions(compression="lz4")
    with arrow.ipc.new_stream(str(tmp_path / "x.arrow"), table.schema, options=options) as writer:
        writer.write_table(table)
    with pytest.raises(SourceError, match="compressed batches"):
        find_source(tmp_path / "x.arrow")


@pytest.mark.parametrize("group", [5, 1000])
def test_rows_of_parquet_can_be_read_in_any_order(
    tmp_path: Path, jpegs: list[bytes], group: int
) -> None:
    rows = rows_of(jpegs, label=list(range(300)))
    path = write_parquet(tmp_path / "x.parquet", rows, row_group_size=group, compression="zstd")
    source = find_source(path)
    items = [item for item in source.items() if isinstance(item, SourceItem)]
    for item in (*items[250:], *items[:3], items[299], *items[::-37], *items[100:200]):
        assert source.read(item, 1 << 30).data == jpegs[item.key % 4]
        assert source.original(item.name).data == jpegs[item.key % 4]
    with pytest.raises(RefusedError, match="limit 10"):
        source.read(items[0], 10)
    with pytest.raises(RefusedError, match="no row"):
        source.original("00000300.jpg")


def test_a_damaged_page_costs_its_own_photos(tmp_path: Path, jpegs: list[bytes]) -> None:
    path = write_parquet(
        tmp_path / "src" / "x.parquet", rows_of(jpegs, label=[0] * 60), row_group_size=20,
        compression="zstd", use_dictionary=False,
    )  # fmt: skip
    parquet = pytest.importorskip("pyarrow.parquet")
    column = parquet.ParquetFile(path).metadata.row_group(1).column(0)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset : column.data_page_offset + 64] = bytes(64)
    path.write_bytes(data)
    summary, found = packed(path, tmp_path / "o.lmdb")
    assert (summary.contents.photos, summary.problems_count) == (40, 20)
    assert {f.kind for f in found if f.severity is Severity.PROBLEM} == {"corrupt"}


def test_files_that_are_missing_or_unlike_are_problems(tmp_path: Path, jpegs: list[bytes]) -> None:
    root = tmp_path / "src"
    write_parquet(root / "data/train-00000-of-00003.parquet", rows_of(jpegs, label=[0, 1]))
    write_parquet(root / "data/train-00002-of-00003-ab12.parquet", rows_of(jpegs, other=[0]))
    (root / "data/train-00001-of-00003.parquet").write_bytes(b"PAR1 no")
    write_parquet(root / "data/test-00001-of-00002.parquet", rows_of(jpegs, label=[1]))
    (root / "README.md").write_text("configs:\n")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.splits == {"train": 2, "test": 1}
    problems = [(f.name, f.kind) for f in found if f.severity is Severity.PROBLEM]
    assert sorted(problems) == [
        ("data/test-00000-of-00002.parquet", "missing"),
        ("data/train-00001-of-00003.parquet", "damaged-file"),
        ("data/train-00002-of-00003-ab12.parquet", "damaged-file"),
    ]


def test_several_configurations_are_not_mixed(tmp_path: Path, jpegs: list[bytes]) -> None:
    for name in ("plain/train/0000.parquet", "small/test/0000.parquet"):
        write_parquet(tmp_path / "src" / name, rows_of(jpegs))
    with pytest.raises(SourceError, match="name the folder of one: plain, small"):
        find_source(tmp_path / "src")
    assert find_source(tmp_path / "src" / "plain").split_names == ("train",)


def test_a_state_that_names_other_folders_is_refused(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "saved", tmp_path / "src")
    for value in ("../x.arrow", "/etc/passwd", "", 3, ".."):
        state = {"_data_files": [{"filename": value}]}
        (tmp_path / "src/train/state.json").write_text(json.dumps(state))
        with pytest.raises(SourceError, match=r"train/state\.json: _data_files"):
            find_source(tmp_path / "src")
    state = {"_data_files": [{"filename": "x.arrow"}], "_indices_data_files": [{}]}
    (tmp_path / "src/train/state.json").write_text(json.dumps(state))
    with pytest.raises(SourceError, match="save it again with save_to_disk"):
        find_source(tmp_path / "src")


def test_tables_without_photos_stay_tables(tmp_path: Path, jpegs: list[bytes]) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.jpg").write_bytes(jpegs[0])
    path = write_parquet(tmp_path / "src" / "metadata.parquet", [{"file_name": "a.jpg"}])
    assert find_source(path).layout == find_source(tmp_path / "src").layout == "table"
    with pytest.raises(SourceError, match="expected a column of images"):
        find_source(path, "huggingface")


def test_a_file_that_changes_is_noticed(
    tmp_path: Path, jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    rows = rows_of(jpegs, label=list(range(8)))
    path = write_parquet(tmp_path / "src" / "x.parquet", rows)
    source = find_source(path)
    (item, *_) = [item for item in source.items() if isinstance(item, SourceItem)]
    with pytest.raises(KeyboardInterrupt):
        pack(path, tmp_path / "o.lmdb", progress=StopAfter(3), workers=1)
    write_parquet(path, rows[::-1])
    with pytest.raises(RefusedError, match="changed after it was listed"):
        source.read(item, 1 << 30)
    with pytest.raises(ResumeError, match="source_state"):
        pack(path, tmp_path / "o.lmdb")


def test_without_pyarrow_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(arrow_module, "import_module", missing)
    for form in ("saved", "hub"):
        with pytest.raises(SourceError, match=r"pip install 'fastload\[huggingface\]'"):
            find_source(GOLDEN / form)


def test_ids_that_no_store_holds_are_none(tmp_path: Path, jpegs: list[bytes]) -> None:
    one = [{"bbox": [1.0, 2.0, 3.0, 4.0], "category": 2}]
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(rows_of(jpegs, objects=[one, one]))
    table = table.append_column("image_id", arrow.array([2**64 - 1, 5], arrow.uint64()))
    path = tmp_path / "src" / "x.parquet"
    path.parent.mkdir()
    pytest.importorskip("pyarrow.parquet").write_table(table, path)
    packed(path, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.image_ids is not None
        assert store.annotations.image_ids.tolist() == [0, 5]
        assert store.header.class_names == ("0", "1", "2")
