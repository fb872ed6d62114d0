"""Data sets of the shared photos, from the store and from its files."""

from __future__ import annotations

import shutil
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

import pytest
from torchvision.datasets import ImageFolder

from fastload import LMDBDataset
from fastload.engine import rows_of
from support.loaders import STILL, assert_nothing_left, damage_record, holdings


@pytest.fixture(params=["store", "files"])
def dataset(request: pytest.FixtureRequest, photo_store: Path, photo_folder: Path) -> Any:
    """24 photos under STILL, in each of the two ways that the engine reads them."""
    if request.param == "store":
        return LMDBDataset(photo_store, STILL)
    return ImageFolder(str(photo_folder), STILL)


@pytest.fixture
def folder(photo_folder: Path) -> ImageFolder:
    """The same photos for torch's own loader."""
    return ImageFolder(str(photo_folder), STILL)


@pytest.fixture
def damaged_store(photo_store: Path, tmp_path: Path) -> Path:
    """A store whose records 4 and 5 are damaged."""
    path = tmp_path / "damaged.lmdb"
    shutil.copy(photo_store, path)
    damage_record(path, 4)
    damage_record(path, 5)
    return path


@pytest.fixture(params=["store", "files"])
def damaged(
    request: pytest.FixtureRequest, damaged_store: Path, photo_folder: Path, tmp_path: Path
) -> Any:
    """Data sets of which samples 4 and 5 cannot be read."""
    if request.param == "store":
        return LMDBDataset(damaged_store, STILL)
    copied = tmp_path / "copy"
    shutil.copytree(photo_folder, copied)
    dataset = ImageFolder(str(copied), STILL)
    for index in (4, 5):
        path = Path(dataset.samples[index][0])
        path.write_bytes(path.read_bytes()[:200])
    return dataset


@pytest.fixture
def nothing_left(request: pytest.FixtureRequest, no_torch_threads: None) -> Any:
    """Fails where the test leaves threads, descriptors, processes or shared memory behind."""
    for name in {"dataset", "damaged"} & set(request.fixturenames):
        # Opens what stays open, or mapped, as long as the data set is there.
        rows_of(request.getfixturevalue(name)).pictures.name(0)
    resource_tracker.ensure_running()  # a process that spawned children share, and that stays
    before = holdings()
    yield
    assert_nothing_left(before)


@pytest.fixture(params=["memory", "folder"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Both kinds of cache."""
    return "memory" if request.param == "memory" else str(tmp_path / "cache")
