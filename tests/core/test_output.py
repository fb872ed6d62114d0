"""Values reach the caller's array through its table, in its dtype and layout, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from fastload import pixels
from support.compare import assert_same
from support.pictures import picture

pytestmark = pytest.mark.usefixtures("each_simd")

WIDTHS = [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100]  # around what a vector holds
DTYPES = [np.uint8, np.float32, np.float16]
IMAGE = picture(40, 60)


def made_table(dtype: type) -> np.ndarray:
    """A table [3, 256] without order or symmetry, different for each channel."""
    generator = np.random.Generator(np.random.PCG64(3))
    if dtype is np.uint8:
        return generator.integers(0, 256, (3, 256), dtype=np.uint8)
    return generator.normal(0, 3, (3, 256)).astype(dtype)


def looked_up(values: np.ndarray, table: np.ndarray) -> np.ndarray:
    """uint8 [3, H, W] through a table [3, 256]."""
    return np.stack([table[c][values[c]] for c in range(3)])


def planes(size: tuple[int, int], **options: object) -> np.ndarray:
    """IMAGE resampled to uint8 [3, height, width]."""
    return pixels.resample(IMAGE, size, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("width", WIDTHS)
def test_tables_are_applied_by_channel(width: int, dtype: type) -> None:
    table = made_table(dtype)
    expected = looked_up(planes((13, width)), table)
    found = planes((13, width), table=table, dtype=dtype)
    assert_same(found, expected, f"NCHW, {width} wide")
    found = planes((13, width), table=table, dtype=dtype, layout="NHWC")
    assert_same(found, expected.transpose(1, 2, 0), f"NHWC, {width} wide")


@pytest.mark.parametrize("width", WIDTHS)
def test_layouts_hold_the_same_bytes(width: int) -> None:
    first = planes((11, width))
    assert first.shape == (3, 11, width)
    second = planes((11, width), layout="NHWC")
    assert second.flags.c_contiguous
    assert_same(second, first.transpose(1, 2, 0), f"{width} wide")


def test_bits_that_are_no_numbers_pass_through() -> None:
    table = np.arange(768, dtype=np.uint32).reshape(3, 256) + np.uint32(0x7FA00001)  # NaNs
    found = planes((20, 20), table=table.view(np.float32), dtype=np.float32)
    assert_same(found.view(np.uint32), looked_up(planes((20, 20)), table), "NaN payloads")


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_fill_goes_through_the_table_too(dtype: type) -> None:
    table = made_table(dtype)
    window = (-3, -5, 30, 40)
    fill = (255, 0, 17)
    expected = looked_up(planes((20, 20), window=window, fill=fill), table)
    found = planes((20, 20), window=window, fill=fill, table=table, dtype=dtype)
    assert_same(found, expected, "window with fill")
    outside = planes((20, 20), window=(50, 50, 2, 3), fill=fill, table=table, dtype=dtype)
    for c in range(3):
        assert (outside[c] == table[c][fill[c]]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_a_slot_of_a_batch_is_all_that_is_written(dtype: type, channels_last: bool) -> None:
    table = made_table(dtype)
    expected = looked_up(planes((19, 23)), table)
    shape = (3, 19, 23, 3) if channels_last else (3, 3, 19, 23)
    batch = np.full(shape, 7, dtype)
    slots = batch.transpose(0, 3, 1, 2) if channels_last else batch
    planes((19, 23), table=table, dtype=dtype, out=slots[1])
    assert_same(slots[1], expected, "the slot")
    assert (slots[0] == 7).all()
    assert (slots[2] == 7).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_of_any_kind_and_sign_are_followed(dtype: type) -> None:
    table = made_table(dtype)
    expected = looked_up(planes((10, 12)), table)
    space = np.full((6, 24, 40), 7, dtype)
    for name, out in {
        "every other": space[::2, ::2, :24:2][:, :10],
        "padded rows": space[:3, 3:13, 5:17],
        "backwards": space[2::-1, 9::-1, 11::-1],
        "turned": np.full((12, 10, 3), 7, dtype).transpose(2, 1, 0),
    }.items():
        planes((10, 12), table=table, dtype=dtype, out=out)
        assert_same(out, expected, name)
        written = out.size if name != "turned" else 0
        assert (space != 7).sum() <= written
        space[...] = 7


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": np.float32},  # without a table there is no number for a value
        {"table": np.zeros((3, 255), np.uint8)},
        {"table": np.zeros((256,), np.uint8)},
        {"table": np.zeros((3, 256), np.float16), "dtype": np.float32},
        {"out": np.zeros((3, 9, 8), np.uint8)},
        {"out": np.zeros((3, 8, 8), np.float32)},
        {"dtype": np.int64},
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected"):
        planes((8, 8), **options)
