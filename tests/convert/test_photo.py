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
    coding_samples,
    pillow_only_samples,
    sampling_samples,
    with_orientation,
)

# Pillow warns of odd files; ``pack`` silences that for its threads, this uses what lies below it.
pytestmark = pytest.mark.filterwarnings("ignore")

PACKER = PhotoPacker()
OWN_BYTES = PhotoPacker(tile=False)
# Pillow decodes these for minutes, which no one wants: a limit of fastload's own.
LIMITED = {"80000-scans", "3000-scans-of-16-mpx"}


def image_bytes(format: str, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(31, 70)).convert(mode).save(buffer, format, **options)
    return buffer.getvalue()


def check(data: bytes, what: str, packer: PhotoPacker = PACKER) -> PackedPhoto | None:
    try:
        expected = pillow_rgb(data)
    except PillowRefuses as refusal:
        with pytest.raises(RefusedError):
            packer.pack(data)
            pytest.fail(f"{what}: packed, but Pillow says {refusal}")
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
    [s for s in (*coding_samples(), *pillow_only_samples(), *damaged_samples(), *hostile_samples())
     if s.name not in LIMITED],
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


@pytest.mark.parametrize("sample", [s for s in hostile_samples() if s.name in LIMITED],
                         ids=lambda sample: sample.name)  # fmt: skip
def test_endless_scans_are_refused(sample: Sample) -> None:
    with pytest.raises(RefusedError) as caught:
        PACKER.pack(sample.data)
    assert caught.value.kind == "limit"


@pytest.mark.parametrize("format", ["PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_other_formats_keep_their_bytes(format: str) -> None:
    photo = check(image_bytes(format), format)
    assert photo is not None
    assert (photo.record.codec, photo.format) == (Codec.OTHER, format)


@pytest.mark.parametrize(
    ("format", "mode"),
    [("PNG", "1"), ("PNG", "L"), ("PNG", "LA"), ("PNG", "P"), ("PNG", "RGBA"), ("PNG", "I;16"),
     ("TIFF", "CMYK"), ("TIFF", "F"), ("TIFF", "LAB"), ("GIF", "P"), ("WEBP", "RGBA"),
     ("JPEG", "CMYK"), ("JPEG", "L")],
)  # fmt: skip
def test_every_mode_is_packed(format: str, mode: str) -> None:
    photo = check(image_bytes(format, mode), f"{format} {mode}")
    assert photo is not None
    assert photo.record.gray == (mode in ("1", "L"))


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
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        data = image_bytes(format)
        with pytest.raises(RefusedError) as caught:
            PACKER.pack(data[: len(data) // 2])
        assert caught.value.kind == "corrupt", format
