"""The walk over a file's codes says what decoding it would say, wherever it says anything."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastload import _core, jpeg
from fastload.errors import DecodeError, FastloadError, NotTileableError
from support import markers
from support.damage import damaged_samples, mutate, small_file
from support.markers import Segment
from support.pictures import picture
from support.samples import (
    Sample,
    coding_samples,
    pillow_only_samples,
    sampling_samples,
    save,
    size_samples,
)

Answer = tuple[int, int, int] | str


def answer(data: bytes, *, by_decoding: bool) -> Answer:
    """Warnings, height and width, or the error."""
    try:
        return _core.jpeg_check(data, 1_500_000, 50, by_decoding)
    except FastloadError as error:
        return f"{type(error).__name__}: {error}"


def agreed(data: bytes, what: str) -> Answer:
    """The answer that both ways give."""
    found = answer(data, by_decoding=False)
    assert found == answer(data, by_decoding=True), what
    return found


@pytest.mark.parametrize(
    "group",
    [coding_samples, sampling_samples, size_samples, pillow_only_samples, damaged_samples],
    ids=lambda group: group.__name__,
)
def test_every_made_file_gets_the_answer_of_a_decode(
    group: Callable[[], tuple[Sample, ...]],
) -> None:
    for sample in group():
        agreed(sample.data, sample.name)


@pytest.mark.parametrize("restart_blocks", [0, 3])
def test_damaged_codes_get_the_answer_of_a_decode(restart_blocks: int) -> None:
    image = picture(40, 70, seed=3, noise=30)
    data = save(image, quality=70, restart_marker_blocks=restart_blocks)
    generator = np.random.Generator(np.random.PCG64(17))
    sound = 0
    for number in range(1500):
        changed = bytearray(data)
        for at in generator.integers(data.index(b"\xff\xda") + 14, len(data), 1 + number % 2):
            changed[at] = int(generator.choice([changed[at] ^ 1 << number % 8, 0, 0xD0, 0xFF]))
        found = agreed(bytes(changed), f"mutation {number}")
        sound += found == (0, 40, 70)
    assert 100 < sound < 1400  # both kinds were tried


def test_damaged_files_get_the_answer_of_a_decode() -> None:
    generator = np.random.Generator(np.random.PCG64(18))
    for number in range(800):
        agreed(mutate(small_file(), generator), f"mutation {number}")


def _jfif(version: int) -> Segment:
    return Segment(markers.APP0, b"JFIF\0" + bytes((version, 1, 0, 0, 1, 0, 1, 0, 0)))


def _adobe(transform: int) -> Segment:
    return Segment(markers.APP14, b"Adobe\0\x64" + bytes((0, 0, 0, 0, transform)))


def _ids(data: bytes, *ids: int) -> bytes:
    segments = markers.split(data)
    for i, segment in enumerate(segments):
        payload = bytearray(segment.payload)
        if segment.marker == markers.SOF0:
            payload[6::3] = bytes(ids)
        elif segment.marker == markers.SOS:
            payload[1:7:2] = bytes(ids)
        segments[i] = Segment(segment.marker, bytes(payload), segment.scan)
    return markers.join(segments)


@pytest.fixture(scope="module")
def plain() -> bytes:
    return markers.drop(save(picture(24, 70, seed=2), quality=60), markers.APP0)


@pytest.mark.parametrize(("change", "warnings"), [
    (lambda data: markers.insert(data, _jfif(1)), 0),
    (lambda data: markers.insert(data, _jfif(2)), 1),
    (lambda data: markers.insert(data, _adobe(1)), 0),
    (lambda data: markers.insert(data, _adobe(2)), 1),
    (lambda data: _ids(data, 9, 7, 200), 0),
    (lambda data: _ids(data, 1, 1, 1), 0),
    (lambda data: markers.map_scan(data, lambda scan: scan + b"\xa5"), 0),
    (lambda data: data.replace(b"\xff\xd9", b"\xff\xff\xff\xd9"), 0),
], ids=["jfif-1", "jfif-2", "adobe-1", "adobe-2", "odd-ids", "same-ids", "a-byte-more",
        "filled-end"])  # fmt: skip
def test_what_libjpeg_warns_of_is_warned_of(
    change: Callable[[bytes], bytes], warnings: int, plain: bytes
) -> None:
    assert agreed(change(plain), "changed") == (warnings, 24, 70)


@pytest.mark.parametrize(
    "segment",
    [Segment(0x02), Segment(0xBF), Segment(0xC8), Segment(0xCC, b"\xff\xff"), Segment(0xDE),
     Segment(0xDF), Segment(0xF0), Segment(0xFD)],
    ids=lambda segment: f"{segment.marker:02X}",
)  # fmt: skip
def test_a_segment_that_libjpeg_refuses_is_refused_and_not_tiled(
    segment: Segment, plain: bytes
) -> None:
    data = markers.insert(plain, segment, before=markers.SOS)
    assert "Error" in str(agreed(data, "with the segment"))
    with pytest.raises(NotTileableError, match="segment"):
        jpeg.tile(data)


@pytest.mark.parametrize(("height", "width"), [(8, 65_508), (65_508, 8)])
def test_a_side_that_libjpeg_refuses_is_refused_and_not_tiled(height: int, width: int) -> None:
    """The codes of such a file may be sound all the same: here, of flat blocks."""
    tiny = save(picture(8, 8), mode="L", quality=50)
    blocks = (height + 7) // 8 * ((width + 7) // 8)
    bits = "001010" * blocks  # in the standard tables: no difference, end of block
    bits += "1" * (-len(bits) % 8)
    scan = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    sized = markers.map_scan(markers.edit_frame(tiny, height=height, width=width), lambda _: scan)
    assert "65500" in str(agreed(sized, "too long"))
    with pytest.raises(DecodeError):
        jpeg.tile(sized)
    smaller = markers.edit_frame(sized, height=min(height, 65_496), width=min(width, 65_496))
    assert "65500" not in str(agreed(smaller, "as long as can be"))
