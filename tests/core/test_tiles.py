"""Tiles: which files become tiles, and that each of them comes back byte for byte."""

from __future__ import annotations

import pytest

from fastload import jpeg
from fastload.errors import DecodeError, NotTileableError
from fastload.records import decode_record, source_bytes
from support import markers
from support.damage import damaged_samples
from support.pictures import picture
from support.records import tile_record
from support.samples import (
    SAMPLINGS,
    Sample,
    coding_samples,
    pillow_only_samples,
    sampling_samples,
    save,
    size_samples,
)


def tile_or_reason(sample: Sample) -> bytes | str:
    """The record of codec tiles, or why the file is not tileable."""
    try:
        return tile_record(sample.data)
    except NotTileableError as error:
        return str(error)


def check_sample(sample: Sample) -> None:
    """Tiles exactly where the sample says so, and then the very same file comes back."""
    found = tile_or_reason(sample)
    if isinstance(found, str):
        assert sample.tiles is not True, f"{sample}: refused: {found}"
        assert found, f"{sample}: refused without a reason"
    else:
        assert sample.tiles is not False, f"{sample}: was tiled"
        assert source_bytes(decode_record(found)) == sample.data, f"{sample}: came back changed"


@pytest.mark.parametrize("sample", coding_samples(), ids=lambda sample: sample.name)
def test_each_coding_is_tiled_and_restored_or_refused(sample: Sample) -> None:
    check_sample(sample)


@pytest.mark.parametrize("name", SAMPLINGS)
def test_each_sampling_is_tiled_and_restored(name: str) -> None:
    for sample in sampling_samples():
        if sample.name.startswith(f"{name}-"):
            check_sample(sample)


def test_sizes_round_block_borders_are_tiled_and_restored() -> None:
    for sample in size_samples():
        check_sample(sample)


@pytest.mark.parametrize("tile_width", [8, 9, 16, 24, 32, 64, 100, 128])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_any_tile_width_restores_the_file(tile_width: int, subsampling: int) -> None:
    data = save(picture(50, 300), subsampling=subsampling, quality=80)
    assert jpeg.restore(jpeg.tile(data, tile_width)) == data


@pytest.mark.parametrize("tile_width", [0, -32, 7, 4097])
def test_a_tile_width_out_of_range_is_the_callers_mistake(tile_width: int) -> None:
    with pytest.raises(ValueError):
        jpeg.tile(save(picture(20, 200)), tile_width)


def test_a_tall_photo_of_extreme_quality_is_restored() -> None:
    """Tiles of the largest size that coefficients allow still fit the table's 16-bit lengths."""
    data = save(picture(700, 160, noise=120), subsampling=0, quality=100)
    assert jpeg.restore(jpeg.tile(data, 32)) == data


@pytest.mark.parametrize(
    ("steps", "tiles"),
    [((1, 5000, 788), True), ((2, 5000, 788), False), ((1, 5001, 788), False),
     ((5787, 1, 1), True), ((5788, 1, 1), False), ((60_000, 0, 0), False)],
)  # fmt: skip
def test_extreme_coefficients_keep_their_own_bytes(steps: tuple[int, ...], tiles: bool) -> None:
    """Two columns of a block may hold 5,789 in all; here each coefficient is 1, times its step."""
    data = save(picture(8, 64), mode="L")
    bits = "0101" + "001" + "001" + "1010" + ("00" + "001" + "001" + "1010") * 7  # annex K's codes
    scan = int(bits + "1" * (-len(bits) % 8), 2).to_bytes((len(bits) + 7) // 8, "big")
    data = markers.map_scan(data, lambda _: scan.replace(b"\xff", b"\xff\0"))
    quant = b"".join(step.to_bytes(2, "big") for step in (*steps, *[1] * 61))
    data = markers.drop(data, markers.DQT)
    data = markers.insert(data, markers.Segment(markers.DQT, b"\x10" + quant))
    assert jpeg.check(data) == 0
    if tiles:
        assert jpeg.restore(jpeg.tile(data)) == data
    else:
        with pytest.raises(NotTileableError, match="beyond what a photograph has"):
            jpeg.tile(data)


@pytest.mark.parametrize("sample", pillow_only_samples(), ids=lambda sample: sample.name)
def test_what_only_pillow_reads_is_not_tiled(sample: Sample) -> None:
    with pytest.raises(DecodeError):
        jpeg.tile(sample.data)


@pytest.mark.parametrize("sample", damaged_samples(), ids=lambda sample: sample.name)
def test_a_damaged_file_is_never_tiled_unless_it_comes_back_byte_for_byte(sample: Sample) -> None:
    try:
        tiled = jpeg.tile(sample.data)
    except DecodeError:
        return
    assert sample.tiles is not False, f"{sample}: was tiled"
    assert jpeg.restore(tiled) == sample.data


def test_head_and_tail_of_the_file_come_back_with_all_their_markers() -> None:
    data = save(picture(40, 100), quality=80)
    comment = markers.Segment(markers.COM, bytes(range(256)) * 200)
    data = markers.insert(data, comment) + bytes(range(256))
    assert jpeg.restore(jpeg.tile(data)) == data


def test_the_widest_gray_photo_is_restored() -> None:
    data = save(picture(9, 65_500, noise=1), mode="L", quality=20)
    assert jpeg.restore(jpeg.tile(data, 64)) == data
