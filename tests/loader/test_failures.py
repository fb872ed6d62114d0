"""Samples that cannot be read, and functions of the user's that raise."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torchvision.datasets import ImageFolder

from fastload import DataLoader, DecodeError, LMDBDataset, RecordError
from support.loaders import STILL, assert_same, damage_record, epoch, torch_epoch
from support.pictures import picture
from support.stores import compact

pytestmark = pytest.mark.usefixtures("nothing_left")


def name_of(dataset: Any, index: int) -> str:
    """The file that a sample is."""
    if isinstance(dataset, LMDBDataset):
        return dataset.store.names[index]
    return str(dataset.samples[index][0])


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_raise_names_sample_and_file(damaged, workers):
    """And the batches before it come as ever."""
    loader = DataLoader(damaged, batch_size=2, num_workers=workers)
    iterator = iter(loader)
    assert len([next(iterator), next(iterator)]) == 2
    with pytest.raises((RecordError, DecodeError), match="sample 4") as caught:
        next(iterator)
    assert name_of(damaged, 4) in str(caught.value)
    assert len(list(iterator)) == 9  # what comes behind it, as with torch's workers


def test_raise_is_the_error_of_the_data_set(damaged_store):
    """The same class, index and name as ``dataset[4]``."""
    dataset = LMDBDataset(damaged_store, STILL)
    with pytest.raises(RecordError) as expected:
        dataset[4]
    with pytest.raises(RecordError) as found:
        list(DataLoader(dataset))
    assert (found.value.index, found.value.name) == (expected.value.index, expected.value.name)
    assert str(found.value) == str(expected.value)


@pytest.mark.parametrize("workers", [0, 2])
def test_skip_makes_batches_smaller(damaged, folder, workers):
    """Nothing else changes; what was left out is listed once and counted every time."""
    loader = DataLoader(damaged, batch_size=5, num_workers=workers, on_error="skip")
    found = epoch(loader)
    assert [len(targets) for _, targets in found] == [4, 4, 5, 5, 4]
    good = [i for i in range(24) if i not in (4, 5)]
    expected = [folder[i] for i in good]
    assert torch.equal(torch.cat([x for x, _ in found]), torch.stack([x for x, _ in expected]))
    assert torch.cat([y for _, y in found]).tolist() == [y for _, y in expected]
    epoch(loader)
    assert [(error.index, error.name) for error in loader.errors] == [
        (index, name_of(damaged, index)) for index in (4, 5)
    ]
    assert all(error.name in error.reason for error in loader.errors)
    assert loader.statistics().errors == 4


def test_skip_leaves_out_a_batch_of_nothing(damaged):
    """An empty batch would break the user's model."""
    found = epoch(DataLoader(damaged, batch_size=2, on_error="skip", num_workers=1))
    assert [len(targets) for _, targets in found] == [2, 2] + [1] * 0 + [2] * 9


@pytest.mark.parametrize("workers", [0, 2])
def test_replace_takes_the_next_good_sample_of_the_batch(damaged, folder, workers):
    """The shape stays; behind the last good one, the first."""
    found = epoch(DataLoader(damaged, batch_size=5, num_workers=workers, on_error="replace"))
    order = [[0, 1, 2, 3, 0], [6, 6, 7, 8, 9], range(10, 15), range(15, 20), range(20, 24)]
    for (images, targets), indices in zip(found, order, strict=True):
        expected = [folder[i] for i in indices]
        assert torch.equal(images, torch.stack([x for x, _ in expected]))
        assert targets.tolist() == [y for _, y in expected]


def test_replace_looks_in_the_data_set_where_the_batch_has_none(damaged, folder):
    """Also for batches of one."""
    found = epoch(DataLoader(damaged, batch_size=1, on_error="replace", num_workers=1))
    assert len(found) == 24
    for index in (4, 5):
        assert_same(found[index], [folder[6][0][None], torch.tensor([folder[6][1]])])


def test_replace_keeps_layout_and_collate(damaged):
    """channels_last, and a user's own collate_fn with its targets."""
    loader = DataLoader(
        damaged, batch_size=5, on_error="replace", memory_format=torch.channels_last
    )
    for images, _ in epoch(loader):
        assert images.is_contiguous(memory_format=torch.channels_last)
    lists = epoch(DataLoader(damaged, batch_size=5, on_error="skip", collate_fn=list))
    assert [len(samples) for samples in lists] == [4, 4, 5, 5, 4]


def test_data_set_without_any_good_sample_is_an_error(tmp_path):
    """Rather than a search without end."""
    for number in range(3):
        path = tmp_path / "a" / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xd8 no picture")
    dataset = ImageFolder(str(tmp_path), STILL)
    with pytest.raises(DecodeError, match="sample 2"):
        epoch(DataLoader(dataset, batch_size=2, on_error="replace"))
    assert epoch(DataLoader(dataset, batch_size=2, on_error="skip")) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_vanished_file_is_the_systems_error(photo_folder, tmp_path, workers):
    """Of the class that the system gives, with sample and path."""
    shutil.copytree(photo_folder, tmp_path / "copy")
    dataset = ImageFolder(str(tmp_path / "copy"), STILL)
    path = dataset.samples[9][0]
    os.unlink(path)
    loader = DataLoader(dataset, batch_size=5, num_workers=workers)
    with pytest.raises(FileNotFoundError, match="sample 9") as caught:
        epoch(loader)
    assert caught.value.filename == path


def test_what_the_core_refuses_and_pillow_reads_is_no_error(tmp_path):
    """Files are judged by Pillow, as in torch's loader."""
    (tmp_path / "a").mkdir()
    Image.fromarray(picture(60, 60)).save(tmp_path / "a" / "png.jpg", "PNG")
    whole = tmp_path / "a" / "jpeg.png"
    Image.fromarray(picture(60, 60)).save(whole, "JPEG")
    Image.fromarray(picture(60, 60)).save(tmp_path / "a" / "behind.jpg", "JPEG")
    with open(tmp_path / "a" / "behind.jpg", "ab") as file:
        file.write(b"trailing bytes")
    dataset = ImageFolder(str(tmp_path), STILL)
    assert_same(epoch(DataLoader(dataset, batch_size=3)), torch_epoch(dataset, batch_size=3))


@pytest.mark.parametrize("kind", ["target_transform", "collate_fn"])
def test_users_errors_pass_unchanged(dataset, kind):
    """With the user's own frames in the traceback."""

    def fail(value: Any) -> None:
        raise ZeroDivisionError("mine")

    options = {"collate_fn": fail} if kind == "collate_fn" else {}
    if kind == "target_transform":
        dataset.target_transform = fail
    loader = DataLoader(dataset, batch_size=5, num_workers=1, **options)  # type: ignore[arg-type]
    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        epoch(loader)
    assert caught.traceback[-1].name == "fail"
    if kind == "target_transform" and sys.version_info >= (3, 11):
        assert "for sample 0 (" in caught.value.__notes__[0]


def test_store_that_was_closed_is_an_error(photo_store):
    """Not a crash; the engine has a descriptor of its own and finishes what it has begun."""
    from fastload import StoreClosedError

    dataset = LMDBDataset(photo_store, STILL)
    dataset.store.close()
    with pytest.raises(StoreClosedError):
        epoch(DataLoader(dataset))


def test_store_cut_short_meanwhile_is_an_error(photo_store, tmp_path):
    """A disk that goes away under the run gives errors, no signal."""
    path = tmp_path / "cut.lmdb"
    shutil.copy(photo_store, path)
    dataset = LMDBDataset(path, STILL)
    loader = DataLoader(dataset, batch_size=4, num_workers=1)
    epoch(loader)
    size = path.stat().st_size
    os.truncate(path, size // 2)
    with pytest.raises(RecordError):
        epoch(loader)
    os.truncate(path, size)


def test_compacted_copy_is_read(photo_store, tmp_path, folder):
    """LMDB's compaction moves the records that the store's columns point to."""
    compact(photo_store, tmp_path / "copy.lmdb")
    dataset = LMDBDataset(tmp_path / "copy.lmdb", STILL)
    assert_same(epoch(DataLoader(dataset, batch_size=5)), torch_epoch(folder, batch_size=5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"on_error": "ignore"}, "expected on_error to be one of"),
        ({"memory_budget_bytes": 0}, "above 0: 0"),
        ({"memory_format": torch.channels_last_3d}, "expected memory_format"),
    ],
)
def test_wrong_arguments_say_what_is_expected(dataset, options, message):
    """At once, not at the first batch."""
    with pytest.raises(ValueError, match=message):
        DataLoader(dataset, **options)


def test_timeout_is_torchs_error(dataset, monkeypatch):
    """In torch's words; the batch comes with the next call."""
    import time

    from fastload.engine.pictures import FilePictures, StorePictures

    for kind in (FilePictures, StorePictures):
        original = kind.open

        def slowly(self: Any, index: int, original: Any = original) -> Any:
            time.sleep(0.4)
            return original(self, index)

        monkeypatch.setattr(kind, "open", slowly)
    iterator = iter(DataLoader(dataset, batch_size=24, num_workers=1, timeout=0.2))
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.2 seconds"):
        next(iterator)
    del iterator


def test_damage_behind_the_first_epoch(photo_store, tmp_path: Path):
    """A record's body is compared once; its header at every read."""
    path = tmp_path / "late.lmdb"
    shutil.copy(photo_store, path)
    loader = DataLoader(LMDBDataset(path, STILL), batch_size=6, num_workers=1)
    epoch(loader)
    damage_record(path, 3)  # may decode all the same
    with suppress(RecordError, DecodeError):
        epoch(loader)
