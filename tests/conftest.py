"""What every test may ask for: a folder of photos, a store of it, and which Pillow it is."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import PIL
import pytest
from PIL import Image

from support.pictures import picture

#: pillow-simd calls its releases those of Pillow with a ".post" behind.
PILLOW_IS_SIMD = ".post" in PIL.__version__


def pytest_report_header() -> str:
    """Say which builds are under test."""
    import fastload
    from fastload import _core

    return (
        f"fastload {fastload.__version__} from {Path(fastload.__file__).parent}, "
        f"libjpeg-turbo {_core.libjpeg_turbo_version()}, {_core.simd()}; "
        f"Pillow {PIL.__version__}"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """pillow-simd rounds otherwise when it resizes, so nothing is verified against it.

    Raises:
        pytest.UsageError: a test's name holds an address. It would be another in each run, and
            could not be asked for again.
    """
    for item in items:
        if " at 0x" in item.nodeid:
            raise pytest.UsageError(f"give the parameters ids: {item.nodeid}")
    if not PILLOW_IS_SIMD:
        return
    skip = pytest.mark.skip(reason="pillow-simd does not resize as Pillow does")
    for item in items:
        if item.get_closest_marker("exact_pillow"):
            item.add_marker(skip)


def pytest_collection_finish() -> None:
    """Leave modules and tests out of all collections to come: they stay anyway.

    Whoever looks whether a test has left something behind collects first, which takes a fraction of
    a second with torch and thousands of tests in memory, and hardly any without.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 photos in three class folders, one of them nested.

    All ways a record can be kept occur: JPEGs that tile, narrow and progressive ones, gray ones,
    one with an EXIF orientation, PNGs with and without a palette, a CMYK JPEG.
    """
    root = tmp_path_factory.mktemp("photos")
    for number in range(24):
        folder = root / ("ape", "bee", "cat/inner")[number % 3]
        folder.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(picture(40 + 7 * number, 150 - 5 * number, seed=number))
        path = folder / f"{number:02d}.jpg"
        if number == 20:
            image.convert("CMYK").save(path, quality=90)
        elif number == 21:
            image.save(path.with_suffix(".png"))
        elif number == 22:
            image.quantize(16).save(path.with_suffix(".png"))
        elif number == 23:
            image.save(path, quality=85, progressive=True)
        elif number % 7 == 3:
            image.convert("L").save(path, quality=80)
        else:
            exif = Image.Exif()
            if number % 5 == 0:
                exif[0x0112] = 1 + number % 8
            image.save(path, quality=75 + number, subsampling=number % 3, exif=exif)
    return root


@pytest.fixture(scope="session")
def photo_store(photo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``photo_folder``, packed.  Not to be written to."""
    from fastload.convert import pack

    path = tmp_path_factory.mktemp("store") / "photos.lmdb"
    pack(photo_folder, path)
    return path


@pytest.fixture
def no_torch_threads() -> Iterator[None]:
    """One thread for torch, as in its loader's workers; put back afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
