"""LMDBDataset: ImageFolder's samples from a store, in every kind of process."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torchvision import transforms
from torchvision.datasets import ImageFolder

from fastload import LMDBDataset, RecordError
from fastload.convert import pack
from fastload.store import Store
from support.children import pixel_sums, send_pixel_sums
from support.pictures import picture

pytestmark = pytest.mark.pillow

START_METHODS = ["fork", "spawn", "forkserver"]


@pytest.fixture
def dataset(photo_store: Path) -> LMDBDataset:
    """The photos of ``photo_folder`` without transforms."""
    return LMDBDataset(photo_store)


@pytest.fixture
def folder(photo_folder: Path) -> ImageFolder:
    """The same photos as torchvision reads them."""
    return ImageFolder(str(photo_folder))


@pytest.fixture(scope="session")
def split_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """train/ and val/ with two classes each."""
    root = tmp_path_factory.mktemp("splits")
    for number in range(12):
        path = root / ("train", "train", "val")[number % 3] / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(50, 70, seed=number)).save(path)
    return root


@pytest.fixture(scope="session")
def split_store(split_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``split_folder`` in one store with named splits."""
    path = tmp_path_factory.mktemp("splits") / "both.lmdb"
    pack(split_folder, path)
    return path


def checksums(dataset: LMDBDataset) -> list[tuple[int, int]]:
    """(hash of the pixels, class) of every sample; runs in child processes too."""
    return [(hash(image.tobytes()), target) for image, target in dataset]  # type: ignore[attr-defined]


def damage(path: Path, index: int) -> None:
    """Flip one bit in the middle of a record's body."""
    with Store(path) as store:
        offset = int(store.column("file_offset")[index] + store.column("length")[index] // 2)
    with open(path, "r+b") as file:
        file.seek(offset)
        (value,) = file.read(1)
        file.seek(offset)
        file.write(bytes([value ^ 0x10]))


def test_samples_are_those_of_imagefolder(dataset, folder):
    """Same order, same classes, and the very pixels, in images of the same mode and size."""
    assert len(dataset) == len(folder) > 0
    for index in range(len(folder)):
        (image, target), (expected, expected_target) = dataset[index], folder[index]
        assert type(image) is type(expected) is Image.Image
        assert (image.mode, image.size, target) == ("RGB", expected.size, expected_target)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
        assert type(target) is int


def test_every_codec_is_met(photo_store):
    """Otherwise the test above would show less than it says."""
    with Store(photo_store) as store:
        assert {1, 2, 4} <= set(store.column("codec").tolist())


def test_lists_are_those_of_imagefolder(dataset, folder):
    """Clients read these in place of opening samples."""
    assert dataset.classes == folder.classes
    assert dataset.class_to_idx == folder.class_to_idx
    assert dataset.samples == folder.samples
    assert dataset.imgs == folder.imgs
    assert dataset.targets == folder.targets
    assert dataset.root == str(folder.root)
    assert all(type(target) is int for target in dataset.targets)


def test_lists_are_built_at_first_use_only(dataset):
    """A million samples must not become Python objects because a data set was opened."""
    assert dataset._samples is None
    assert dataset._targets is None
    dataset[0]
    assert dataset._samples is None
    assert dataset.samples is dataset.samples is dataset.imgs
    assert dataset.targets is dataset.targets


def test_exif_orientation_is_kept_and_not_applied(dataset, folder):
    """ImageFolder does not turn images; who turns them by exif_transpose gets the same."""
    turned = 0
    for index in range(len(folder)):
        image, expected = dataset[index][0], folder[index][0]
        found, wanted = ImageOps.exif_transpose(image), ImageOps.exif_transpose(expected)
        turned += found.size != image.size
        np.testing.assert_array_equal(np.asarray(found), np.asarray(wanted))
    assert turned > 0


def test_transforms_are_applied_to_image_and_target(photo_store, photo_folder):
    """With torchvision's own transforms, the tensors are equal bit for bit."""
    transform = transforms.Compose([transforms.CenterCrop(32), transforms.ToTensor()])
    expected = ImageFolder(str(photo_folder), transform, lambda target: target + 10)
    dataset = LMDBDataset(photo_store, transform, lambda target: target + 10)
    for (image, target), (wanted, wanted_target) in zip(dataset, expected, strict=True):
        assert torch.equal(image, wanted)
        assert target == wanted_target >= 10


def test_transforms_may_be_exchanged(dataset):
    """Clients set dataset.transform between epochs."""
    dataset.transform = lambda image: image.size
    dataset.target_transform = str
    assert dataset[1] == (dataset.transform(Image.new("RGB", dataset[1][0])), "0")


def test_error_of_a_transform_passes_unchanged(photo_store):
    """It is the user's; wrapping it would hide its type."""

    def fail(image: Image.Image) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        LMDBDataset(photo_store, fail)[0]


def test_getitems_gives_the_batch_in_the_order_asked(dataset):
    """Torch's loader asks for whole batches where it can; indices may repeat."""
    found = dataset.__getitems__([5, 0, 5])
    expected = [dataset[5], dataset[0], dataset[5]]
    assert [(i.tobytes(), t) for i, t in found] == [(i.tobytes(), t) for i, t in expected]


@pytest.mark.parametrize("kind", [int, np.int64, np.uint8, torch.tensor])
def test_indices_of_every_integer_kind(dataset, kind):
    """Samplers give NumPy's and torch's integers too."""
    assert dataset[kind(3)][0].tobytes() == dataset[3][0].tobytes()


def test_negative_indices_count_from_the_end(dataset):
    """As in ImageFolder, whose samples are a list."""
    assert dataset[-1][0].tobytes() == dataset[len(dataset) - 1][0].tobytes()


@pytest.mark.parametrize("index", [24, -25, 1 << 40])
def test_index_outside_is_an_index_error_with_the_count(dataset, index):
    """Which also ends ``for sample in dataset``."""
    with pytest.raises(IndexError, match=f"within 24 samples, found {index}"):
        dataset[index]


@pytest.mark.parametrize("index", ["0", 0.0, None])
def test_what_is_no_integer_is_a_type_error(dataset, index):
    """Rather than some sample."""
    with pytest.raises(TypeError):
        dataset[index]


def test_pickle_carries_a_path_and_no_samples(dataset):
    """Workers get it by pickle under spawn; a list of a million paths must not go along."""
    before = len(pickle.dumps(dataset))
    _ = dataset.samples, dataset.targets
    data = pickle.dumps(dataset)
    assert len(data) == before < 2000
    again = pickle.loads(data)
    assert checksums(again) == checksums(dataset)
    assert again.samples == dataset.samples


def test_copies_are_data_sets_of_their_own(dataset):
    """copy.copy is how clients make a data set with other transforms."""
    for again in (copy.copy(dataset), copy.deepcopy(dataset)):
        again.transform = lambda image: None
        assert again[0] == (None, 0)
        assert dataset[0][0] is not None


@pytest.mark.parametrize("method", START_METHODS)
def test_children_read_the_same(dataset, method):
    """Under each start method; under fork, with the store that the parent has open."""
    context = multiprocessing.get_context(method)
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=send_pixel_sums, args=(dataset, theirs))
    child.start()
    theirs.close()  # so that a child that dies ends the wait below
    assert ours.recv() == pixel_sums(dataset)
    child.join(30)
    assert child.exitcode == 0


def test_several_data_sets_on_one_file(photo_store):
    """LMDB itself would refuse the second."""
    first = LMDBDataset(photo_store)
    second = LMDBDataset(photo_store, transforms.ToTensor())
    assert first[0][0].size == tuple(second[0][0].shape[:0:-1])
    second.store.close()
    assert len(checksums(first)) == 24


def test_threads_read_at_once(dataset):
    """No lock, no shared position."""
    expected, found = checksums(dataset), [[] for _ in range(4)]

    def read(into: list[object]) -> None:
        into.extend(checksums(dataset))

    threads = [threading.Thread(target=read, args=(into,)) for into in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


@pytest.mark.parametrize("split", ["train", "val"])
def test_split_is_the_imagefolder_of_its_folder(split_store, split_folder, split):
    """One store, one data set a split."""
    dataset, folder = LMDBDataset(split_store, split=split), ImageFolder(str(split_folder / split))
    assert dataset.samples == folder.samples
    assert dataset.targets == folder.targets
    assert dataset.classes == folder.classes
    for (image, target), (expected, expected_target) in zip(dataset, folder, strict=True):
        assert (image.tobytes(), target) == (expected.tobytes(), expected_target)
    assert pickle.loads(pickle.dumps(dataset)).samples == folder.samples


def test_without_a_split_all_samples_are_there(split_store):
    """Splits are a choice, not a partition that hides samples."""
    parts = [LMDBDataset(split_store, split=split) for split in ("train", "val")]
    assert len(LMDBDataset(split_store)) == sum(map(len, parts)) == 12


def test_unknown_split_names_those_there_are(split_store, photo_store):
    """The usual accident is valid for val."""
    with pytest.raises(ValueError, match=r"one of its splits \['train', 'val'\], found 'valid'"):
        LMDBDataset(split_store, split="valid")
    with pytest.raises(ValueError, match="has no named splits, found split='train'"):
        LMDBDataset(photo_store, split="train")


def test_flat_folder_gives_class_minus_one(tmp_path):
    """ImageFolder would refuse it; -1 is no class that a loss takes by accident."""
    source = tmp_path / "flat"
    source.mkdir()
    Image.fromarray(picture(20, 30)).save(source / "one.png")
    pack(source, tmp_path / "flat.lmdb")
    dataset = LMDBDataset(tmp_path / "flat.lmdb")
    assert dataset[0][1] == -1
    assert dataset.classes == []
    assert dataset.samples == [(str(source / "one.png"), -1)]


def test_names_that_are_no_unicode_come_back(tmp_path):
    """Linux names are bytes; ``samples`` must lead to the file again."""
    source = tmp_path / "source" / "a"
    source.mkdir(parents=True)
    path = os.path.join(os.fsencode(source), b"caf\xe9.jpg")
    with open(path, "wb") as file:
        Image.fromarray(picture(20, 30)).save(file, "JPEG")
    pack(source.parent, tmp_path / "out.lmdb")
    ((found, _),) = LMDBDataset(tmp_path / "out.lmdb").samples
    assert os.fsencode(found) == path


@pytest.fixture
def damaged_store(photo_folder: Path, tmp_path: Path) -> Path:
    """A store whose record 4 has a bit flipped."""
    path = tmp_path / "damaged.lmdb"
    pack(photo_folder, path)
    damage(path, 4)
    return path


def test_damaged_record_raises_an_error_that_names_it(damaged_store):
    """By index and by the file it was; the other samples can be read."""
    dataset = LMDBDataset(damaged_store)
    name = dataset.store.names[4]
    with pytest.raises(RecordError, match=name) as caught:
        dataset[4]
    assert (caught.value.index, caught.value.name) == (4, name)
    assert len([dataset[i] for i in range(len(dataset)) if i != 4]) == 23


def test_damaged_record_in_a_worker_names_it_too(damaged_store):
    """A worker's exception is built anew by torch, from its text alone."""
    dataset = LMDBDataset(damaged_store, transforms.Compose([transforms.Resize((8, 8))]))
    dataset.transform.transforms.append(transforms.ToTensor())
    loader = torch.utils.data.DataLoader(dataset, batch_size=8, num_workers=1)
    with pytest.raises(RecordError, match=dataset.store.names[4]):
        list(loader)


def test_missing_file_is_the_systems_error(tmp_path):
    """At once, not at the first sample."""
    with pytest.raises(FileNotFoundError):
        LMDBDataset(tmp_path / "none.lmdb")


@pytest.mark.parametrize("transform", [None, transforms.ToTensor(), transforms.Compose([])])
def test_repr_reads_as_imagefolders(photo_store, photo_folder, transform):
    """What people print first in a notebook."""
    found = repr(LMDBDataset(photo_store, transform, target_transform=transform))
    expected = repr(ImageFolder(str(photo_folder), transform, target_transform=transform))
    expected = expected.replace("ImageFolder", "LMDBDataset")
    assert found == expected.replace(str(photo_folder), str(photo_store))


def test_repr_names_the_split(split_store):
    """Two data sets of one file must look different."""
    assert "    Split: val" in repr(LMDBDataset(split_store, split="val")).splitlines()
