"""Pascal VOC data sets: years, lists, flags, and XML that is not to be trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastload.convert import Finding, Summary, pack, unpack
from fastload.convert.labelled import LabelError
from fastload.convert.safe_xml import load_xml
from fastload.convert.sources.voc import annotation
from fastload.convert.sources.voc.annotation import class_names_in
from fastload.store import Store
from support.trees import snapshot, write_photo
from support.voc import voc_object, voc_set, voc_xml
from support.yolo import turned_photo


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def one(root: Path, xml: str) -> Path:
    """A data set of one photo, 30 x 40, without lists."""
    write_photo(root / "JPEGImages" / "a.jpg", 30, 40)
    (root / "Annotations").mkdir()
    (root / "Annotations" / "a.xml").write_text(xml)
    return root


def test_boxes_count_from_zero_and_flags_are_kept(tmp_path: Path) -> None:
    xml = voc_xml(
        voc_object("dog", (1, 1, 40, 30), "<difficult>1</difficult><pose>Left</pose>"),
        voc_object("cat", (7.5, 2, 9, 3), "<truncated>1</truncated><occluded>0</occluded>"),
    )
    summary, _ = packed(one(tmp_path / "src", xml), tmp_path / "o.lmdb")
    assert summary.contents.splits == {}
    assert summary.contents.label_bytes == len(xml)
    photo_bytes = (tmp_path / "src" / "JPEGImages" / "a.jpg").stat().st_size
    assert summary.contents.growth_percent(2 * (photo_bytes + len(xml))) == 100
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("cat", "dog")
        assert store.annotations is not None
        objects = store.annotations[0].objects
        assert objects.class_ids.tolist() == [1, 0]
        assert objects.boxes.tolist() == [[0, 0, 40, 30], [6.5, 1, 9, 3]]
        flags = {name: values.tolist() for name, values in objects.fields.items()}
        assert flags == {"difficult": [1, 0], "truncated": [0, 1], "occluded": [0, 0]}
        file = store.annotations.label_file(0)
        assert file is not None
        assert file.text.decode() == xml


@pytest.mark.parametrize("top", ["", "VOCdevkit"])
def test_years_become_one_data_set(tmp_path: Path, top: str) -> None:
    root = tmp_path / "src"
    voc_set(root / top, 4, "VOC2007")
    voc_set(root / top, 5, "VOC2012")
    summary, _ = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.splits == {"train": 6, "val": 3}
    assert summary.contents.photos == 9
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_trainval_counts_where_there_is_no_train_and_val(tmp_path: Path) -> None:
    voc_set(tmp_path / "src", 3)
    (tmp_path / "src/ImageSets/Main/val.txt").unlink()
    (tmp_path / "src/ImageSets/Main/train.txt").unlink()
    assert packed(tmp_path / "src", tmp_path / "o.lmdb")[0].contents.splits == {"trainval": 3}


def test_what_lists_name_wrongly_is_said_by_line(tmp_path: Path) -> None:
    root = voc_set(tmp_path / "src", 3)
    (root / "ImageSets/Main/train.txt").write_text("p01\n\n../x\ngone\np01\na\0b\n")
    (root / "ImageSets/Main/val.txt").write_text("p00\n")
    write_photo(root / "JPEGImages" / "p00.png", format_name="PNG")
    _, found = packed(root, tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "unsafe-name")] == [
        "ImageSets/Main/train.txt, line 3", "ImageSets/Main/train.txt, line 6",
    ]  # fmt: skip
    assert "train.txt, line 4" in of_kind(found, "missing")[0][1]
    assert "train.txt, line 5" in of_kind(found, "listed-twice")[0][1]
    assert of_kind(found, "two-photos-one-label")[0][0] == "JPEGImages/p00.png"
    assert [name for name, _ in of_kind(found, "unlisted-photo")] == [
        "JPEGImages/p00.png", "JPEGImages/p02.jpg",
    ]  # fmt: skip


def test_a_file_of_classes_decides_what_is_known(tmp_path: Path) -> None:
    root = one(tmp_path / "src", voc_xml(voc_object("dog"), voc_object("cow")))
    (root / "classes.txt").write_text("dog\ncat\n")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.class_count == 2
    assert summary.contents.labels == {"damaged": 1}
    assert "line 7: no such class: 'cow'" in of_kind(found, "label")[0][1]


@pytest.mark.parametrize(("size", "upright"), [((80, 40), 1), ((40, 80), 0), (None, 1)])
def test_the_stated_size_says_whether_coordinates_are_upright(
    tmp_path: Path, size: tuple[int, int] | None, upright: int
) -> None:
    root = one(tmp_path / "src", voc_xml(voc_object(), size=size))
    turned_photo(root / "JPEGImages/a.jpg", 40, 80, 6)
    packed(root, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.upright.tolist() == [upright]


DAMAGED = {
    "": "line 1: no well-formed XML",
    "<annotation>\n<object>\n</annotation>": "line 3: no well-formed XML: mismatched tag",
    "<x/>": "expected <annotation>",
    "<annotation>\n<object/></annotation>": "line 2: an object without a name",
    "<annotation>\n<object><name>a</name></object></annotation>": "line 2: .* without a bndbox",
    voc_xml(voc_object(box=(1, 1, "1e308", 3))): "line 5: xmax: expected a number, found '1e308'",
    voc_xml(voc_object(box=("nan", 1, 2, 3))): "line 5: xmin: expected a number, found 'nan'",
    voc_xml(voc_object(box=(1, 1, "1e999", 3))): "xmax: expected a number",
    voc_xml(voc_object(box=(1, "x", 2, 3))): "ymin: expected a number",
    voc_xml(voc_object(box=(5, 1, 2, 3))): "xmin <= xmax",
    voc_xml(voc_object(more="<difficult>2</difficult>")): "difficult: expected 0 or 1",
    voc_xml(voc_object(more="<name>b</name>")): "expected one <name>, found 2",
    '<!DOCTYPE a [<!ENTITY b "c">]>\n<annotation>&b;</annotation>': "line 1: a document type",
    '<!DOCTYPE a SYSTEM "file:///etc/passwd">\n<annotation/>': "line 1: a document type",
    "<annotation>&b;</annotation>": "undefined entity",
    "<annotation>" + "<a>" * 100 + "</a>" * 100 + "</annotation>": "64 deep",
    '<?xml version="1.0" encoding="nowhere"?><annotation/>': "no well-formed XML",
    "<annotation>\x01</annotation>": "no well-formed XML",
}


@pytest.mark.parametrize("xml", DAMAGED)
def test_xml_that_cannot_be_read_costs_the_labels_and_not_the_photo(
    tmp_path: Path, xml: str
) -> None:
    root = one(tmp_path / "src", xml)
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"damaged": 1}
    ((name, detail),) = of_kind(found, "label")
    assert name == "Annotations/a.xml"
    with pytest.raises(LabelError, match=DAMAGED[xml]):
        raise LabelError(detail)
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_an_xml_that_is_there_and_not_read_is_a_problem(tmp_path: Path) -> None:
    root = voc_set(tmp_path / "src", 3)
    (root / "Annotations/p00.xml").rename(root / "Annotations/p00.XML")
    (root / "Annotations/p01.xml").unlink()
    (root / "Annotations/p01.xml").symlink_to("gone.xml")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"missing": 1, "damaged": 1, "present": 1}
    assert of_kind(found, "label-without-photo") == [
        ("Annotations/p00.XML", "not read: expected the ending .xml, found .XML")
    ]
    ((name, detail),) = of_kind(found, "label")
    assert (name, detail.split(";")[0]) == ("Annotations/p01.xml", "a link that leads nowhere")


def test_nothing_that_xml_names_is_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    include = f'<x:include href="{secret}"/>'
    for text in (
        f'<!DOCTYPE a [<!ENTITY b SYSTEM "file://{secret}">]><a>&b;</a>',
        f'<a xmlns:x="http://www.w3.org/2001/XInclude">{include}</a>',
    ):
        try:
            assert "secret" not in load_xml(text.encode()).text
        except LabelError:
            continue


def test_names_that_are_known_need_no_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(annotation, "load_xml", None)
    data = voc_xml(voc_object("dog"), voc_object(" red cat ")).encode()
    assert class_names_in(data, {"dog", "red cat"}) == set()
    with pytest.raises(TypeError):
        class_names_in(data, {"dog"})


@pytest.mark.parametrize(
    "data",
    [
        voc_xml(voc_object("dog"), voc_object("c&#97;t")).encode(),
        voc_xml(voc_object("dog"), voc_object("<![CDATA[cat]]>")).encode(),
        voc_xml(voc_object("dog"), voc_object("cat").replace("name>", "name >")).encode(),
        voc_xml(voc_object("dog"), voc_object("c<!-- -->at")).encode(),
        voc_xml(voc_object("dog"), voc_object("cat")).encode("utf-16"),
    ],
)
def test_names_that_are_spelled_otherwise_are_found(data: bytes) -> None:
    assert class_names_in(data, {"dog"}) == {"dog", "cat"}


def test_a_million_elements_are_refused_before_they_are_held() -> None:
    with pytest.raises(LabelError, match="at most"):
        load_xml(b"<a>" + b"<b/>x" * 300_000 + b"</a>")


def test_other_encodings_are_read() -> None:
    for encoding in ("utf-16", "iso-8859-1"):
        text = f'<?xml version="1.0" encoding="{encoding}"?><a>é</a>'
        assert load_xml(text.encode(encoding)).text == "é"
