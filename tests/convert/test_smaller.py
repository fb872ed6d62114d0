"""Photos made smaller on purpose, or kept as pixels: what is given up is said, the rest holds."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload.convert import Severity, Summary, pack, unpack, verify
from fastload.convert.smaller import encoded, reduced
from fastload.errors import ResumeError
from fastload.picture import open_picture
from fastload.records import decode_record
from fastload.store import Store
from support.interrupt import StopAfter
from support.pictures import picture
from support.trees import content_hash, image_folder, snapshot, write_photo
from support.voc import voc_object, voc_xml

pytestmark = pytest.mark.pillow
ORIENTATION = 0x0112


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Photos of 33..39 x 64..74, one of 20 x 30, a PNG with an alpha channel, and a turned one."""
    root = image_folder(tmp_path / "src", classes=2, photos=5)
    write_photo(root / "class_0" / "small.jpg", 20, 30)
    alpha = Image.fromarray(picture(50, 90, seed=3)).convert("RGBA")
    alpha.save(root / "class_1" / "alpha.png")
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(picture(60, 100, seed=4)).save(root / "class_1" / "turned.jpg", exif=exif)
    return root


def packed(source: Path, out: Path, **options: object) -> Summary:
    return pack(source, out, **options)


def shape_of(file: Path) -> tuple[int, int]:
    with Image.open(file) as image:
        return image.height, image.width


def test_only_larger_photos_are_reduced(source: Path, tmp_path: Path) -> None:
    summary = packed(source, tmp_path / "o.lmdb", max_side=48)
    assert summary.contents.reduced == 12
    assert summary.as_json()["photos_reduced"] == 12
    assert summary.contents.source_bytes == sum(
        file.stat().st_size for file in source.rglob("*.*") if file.is_file()
    )
    with Store(tmp_path / "o.lmdb") as store:
        for index, name in enumerate(store.names):
            before = shape_of(source / name)
            after = int(store.column("height")[index]), int(store.column("width")[index])
            stated = [int(store.column(f"original_{side}")[index]) for side in ("height", "width")]
            assert tuple(stated) == before
            if max(before) <= 48:
                assert store.read_source(index) == (source / name).read_bytes()
                continue
            assert max(after) == 48
            assert abs(after[0] / after[1] - before[0] / before[1]) < 0.02
            with Image.open(BytesIO(store.read_source(index))) as image:
                assert image.format == "JPEG"
                assert (image.height, image.width) == after
                turned = image.getexif().get(ORIENTATION)
            assert turned == (6 if name.endswith("turned.jpg") else None)


def test_a_reduced_photo_is_what_pillow_makes_of_it(source: Path, tmp_path: Path) -> None:
    packed(source, tmp_path / "o.lmdb", max_side=48, quality=77)
    with Image.open(source / "class_0" / "photo_001.jpg") as image:
        expected = encoded(reduced(image, 48), 77)
        assert image.size == (48, 25)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.read_source(list(store.names).index("class_0/photo_001.jpg")) == expected


def test_pixels_are_those_of_pillow(source: Path, tmp_path: Path) -> None:
    summary = packed(source, tmp_path / "o.lmdb", format="raw")
    assert summary.contents.codecs == {"raw": 13}
    with Store(tmp_path / "o.lmdb") as store:
        for index, name in enumerate(store.names):
            with Image.open(source / name) as image:
                expected = np.asarray(image.convert("RGB"))
            data = store.record_bytes(index)
            assert np.array_equal(open_picture(decode_record(data), data), expected)


@pytest.mark.parametrize("options", [{"max_side": 48}, {"format": "raw"}], ids=str)
def test_verify_compares_with_the_files_that_were_packed(
    source: Path, tmp_path: Path, options: dict[str, object]
) -> None:
    out = tmp_path / "o.lmdb"
    packed(source, out, **options)
    assert verify(out, source=source, deep=True).differences_count == 0
    photo = source / "class_0" / "photo_000.jpg"
    photo.write_bytes(photo.read_bytes() + b"more")
    report = verify(out, source=source)
    assert {kind: group.count for kind, group in report.tally.groups(Severity.PROBLEM).items()} == {
        "source-differs": 1
    }


def test_raw_photos_cannot_be_unpacked_and_that_is_said(source: Path, tmp_path: Path) -> None:
    packed(source, tmp_path / "o.lmdb", format="raw")
    report = unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert report.files == 0
    assert {kind: group.count for kind, group in report.tally.groups(Severity.PROBLEM).items()} == {
        "raw": 13
    }


def test_a_smaller_photo_never_takes_the_place_of_its_original(
    source: Path, tmp_path: Path
) -> None:
    packed(source, tmp_path / "o.lmdb", max_side=48)
    before = snapshot(source)
    report = unpack(tmp_path / "o.lmdb", source, overwrite=True)
    assert report.tally.groups(Severity.PROBLEM)["exists"].count == 12
    assert snapshot(source) == before
    for written in (13, 1):  # again, only the photo that is kept as it was
        report = unpack(tmp_path / "o.lmdb", tmp_path / "back", overwrite=True)
        assert (report.files, report.problems_count) == (written, 0)


@pytest.mark.parametrize("options", [{"max_side": 48}, {"max_side": 48, "format": "raw"}], ids=str)
def test_an_interrupted_run_goes_on(
    source: Path, tmp_path: Path, options: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "o.lmdb"
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, progress=StopAfter(6), workers=2, **options)
    with pytest.raises(ResumeError, match="max_side"):
        pack(source, out)
    assert 0 < packed(source, out, **options).packed_photos < 13
    packed(source, tmp_path / "fresh.lmdb", **options)
    assert content_hash(out) == content_hash(tmp_path / "fresh.lmdb")


def test_boxes_are_in_pixels_of_the_reduced_photo(tmp_path: Path) -> None:
    root = tmp_path / "src"
    write_photo(root / "JPEGImages" / "a.jpg", 60, 80)
    (root / "Annotations").mkdir()
    xml = voc_xml(voc_object("dog", (9, 13, 40, 60)), size=(60, 80))
    (root / "Annotations" / "a.xml").write_text(xml)
    packed(root, tmp_path / "o.lmdb", max_side=40)
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations[0].objects.boxes.tolist() == [[4, 6, 20, 30]]
        file = store.annotations.label_file(0)
        assert file is not None
        assert file.text.decode() == xml
    assert verify(tmp_path / "o.lmdb", source=root).differences_count == 0


def test_exif_data_that_no_jpeg_holds_is_left_but_for_the_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 8
    exif[0x9286] = "x" * 70_000
    Image.fromarray(picture(40, 60)).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        data = encoded(reduced(image, 30), 90)
    with Image.open(BytesIO(data)) as image:
        assert image.size == (30, 20)
        assert dict(image.getexif()) == {ORIENTATION: 8}
