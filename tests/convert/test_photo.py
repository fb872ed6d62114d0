"""A photo is packed exactly where Pillow gives pixels for it, and gives both back: pixels, file."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fastload.convert.findings import RefusedError
from fastload.convert.photo import PackedPhoto, PhotoPacker
from fastload.picture import open_picture
from fastload.records import Codec, encode_record, source_bytes
from support.damage import damaged_samples, hostile_samples, mutate
from support.pictures import picture
from support.reference import RefusedError as PillowRefuses
from support.reference import pillow_rgb
from support.samples import (
    Sample,
    by_name,
    coding_samples,
    pillow_only_samples,
    sampling_samples,
    with_orientation,
)

# Pillow warns of odd files; ``pack`` silences that for its threads, this uses what lies below it.
pytestmark = pytest.mark.filterwarnings("ignore")

PACKER = PhotoPacker()
OWN_BYTES = PhotoPacker(tile=False)


def image_bytes(format_name: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(31, 70)).convert(mode).save(buffer, format_name, **options)
    return buffer.getvalue()


def check(data: bytes, what: str, packer: PhotoPacker = PACKER) -> PackedPhoto | None:
    try:
        expected = pillow_rgb(data)
    except PillowRefuses as refusal:
        with pytest.raises(RefusedError):
            pytest.fail(f"{what}: packed {packer.pack(data)!r:.200}, but Pillow says {refusal}")
        return None
    photo = packer.pack(data)
    assert source_bytes(photo.record) == data, what
    assert photo.record.source_size == len(data)
    assert (photo.record.height, photo.record.width) == expected.shape[:2], what
    pixels = np.asarray(open_picture(photo.record, encode_record(photo.record)))
    assert np.array_equal(pixels, expected), what
    return photo


@pytest.mark.parametrize(
    "sample",
    [*coding_samples(), *pillow_only_samples(), *damaged_samples()],
    ids=lambda sample: sample.name,
)  # fmt: skip
def test_pillow_decides_what_is_packed(sample: Sample) -> None:
    check(sample.data, sample.name)
    check(sample.data, sample.name, OWN_BYTES)


def test_every_sampling_is_packed() -> None:
    for sample in sampling_samples():
        photo = check(sample.data, sample.name)
        assert photo is not None
        assert photo.record.codec is (Codec.TILES if sample.tiles else photo.record.codec)


def test_pillow_decides_about_mutated_files() -> None:
    generator = np.random.default_rng(20)
    data = [sample.data for sample in coding_samples()]
    for number in range(1500):
        check(mutate(data[number % len(data)], generator), f"mutation {number}")


@pytest.mark.parametrize("sample", hostile_samples(), ids=lambda sample: sample.name)
def test_hostile_files_are_packed_or_refused(sample: Sample) -> None:
    """Pillow is not asked here: it decodes some of them for minutes."""
    kind, photo = "", None
    try:
        photo = PACKER.pack(sample.data)
    except RefusedError as refused:
        kind = refused.kind
    assert kind in {"", "limit", "too-many-pixels", "not-an-image", "corrupt"}
    assert photo is None or source_bytes(photo.record) == sample.data


def test_endless_scans_are_refused() -> None:
    with pytest.raises(RefusedError) as caught:
        PACKER.pack(by_name("80000-scans", hostile_samples).data)
    assert caught.value.kind == "limit"


@pytest.mark.parametrize("format_name", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_other_formats_keep_their_bytes(format_name: str) -> None:
    photo = check(image_bytes(format_name), format_name)
    assert photo is not None
    assert (photo.record.codec, photo.format) == (Codec.OTHER, format_name)


@pytest.mark.parametrize(
    ("format_name", "mode"),
    [("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"),
     ("TIFF", "CMYK"), ("TIFF", "F"), ("TIFF", "LAB"), ("GIF", "P"), ("WEBP", "RGBA"),
     ("JPEG", "CMYK"), ("JPEG", "L")],
)  # fmt: skip
def test_every_mode_is_packed(format_name: str, mode: str) -> None:
    photo = check(image_bytes(format_name, mode), f"{format_name} {mode}")
    assert photo is not None
    assert photo.record.gray == (mode in ("1", "L"))


def test_rare_plugins_are_loaded_only_for_files_that_need_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[bool] = []
    init = Image.init
    monkeypatch.setattr(Image, "init", lambda: loads.append(init()))
    for format_name in ("JPEG", "PNG", "BMP", "GIF", "PPM"):
        assert check(image_bytes(format_name), format_name) is not None
    assert not loads
    assert PACKER.pack(image_bytes("TIFF")).format == "TIFF"
    assert loads


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept_and_not_applied(orientation: int) -> None:
    jpeg = check(with_orientation(image_bytes("JPEG"), orientation), "JPEG")
    assert jpeg is not None
    assert jpeg.record.orientation == orientation
    exif = Image.Exif()
    exif[0x0112] = orientation
    png = check(image_bytes("PNG", exif=exif.tobytes()), "PNG")
    assert png is not None
    assert png.record.orientation == orientation


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty"),
        (b"\0" * 1000, "not-an-image"),
        (b"<!DOCTYPE html><html>404</html>", "not-an-image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n", "not-an-image"),
    ],
)
def test_what_is_no_photo_is_refused_with_a_reason(data: bytes, kind: str) -> None:
    with pytest.raises(RefusedError) as caught:
        PACKER.pack(data)
    assert caught.value.kind == kind
    assert caught.value.detail


def test_a_truncated_file_is_corrupt() -> None:
    for format_name in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = image_bytes(format_name)
        with pytest.raises(RefusedError) as caught:
            PACKER.pack(data[: len(data) // 2])
        assert caught.value.kind == "corrupt", format_name
