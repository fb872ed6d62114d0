"""Transforms that Python must finish: the core begins them in torch's workers."""

from __future__ import annotations

import io
import random
import struct
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps, features
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from fastload import DataLoader, DecodeError, LMDBDataset, RecordError
from fastload.convert import pack
from support.damage import WEBP, damaged_samples
from support.loaders import STILL, assert_same, epoch, torch_epoch
from support.pictures import picture
from support.samples import coding_samples, pillow_only_samples, sampling_samples, save

pytestmark = [pytest.mark.pillow, pytest.mark.exact_pillow]


def invert(image: Any) -> Any:
    """A transform of the user's, on a PIL image."""
    return transforms.functional.invert(image)


def jitter(image: torch.Tensor) -> torch.Tensor:
    """Draws from all three generators."""
    return image + torch.rand(1) + random.random() + np.random.rand()  # noqa: NPY002 -- users draw from it


def numpy_state() -> list[int]:
    """Of NumPy's global generator."""
    return np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]  # noqa: NPY002


TAILS = {
    "picture": [*STILL.transforms[:2], invert, *STILL.transforms[2:]],
    "tensor": [*STILL.transforms, torch.neg],
}

#: Each ends in Python, after an image or a tensor of v1 or v2.
LISTS = {
    "v1 image": [transforms.Resize((24, 28)), invert, transforms.ToTensor()],
    "v1 gray image": [
        transforms.Resize((24, 28)), transforms.Grayscale(), invert, transforms.PILToTensor(),
    ],
    "v1 tensor": [transforms.CenterCrop(31), transforms.ToTensor(), torch.neg],
    "v2 image": [v2.CenterCrop(31), invert, v2.PILToTensor()],
    "v2 tensor": [v2.Resize((24, 28)), v2.ToImage(), torch.neg, v2.ToDtype(torch.float32)],
    "v2 float16": [
        v2.Resize((9, 50)), v2.ToImage(), v2.ToDtype(torch.float16, scale=True), torch.neg,
    ],
}  # fmt: skip


def other_formats() -> dict[str, bytes]:
    """Files that are no JPEGs, by their names."""
    image = Image.fromarray(picture(50, 70, seed=9))
    clear = image.convert("RGBA")
    clear.putalpha(image.convert("L"))
    images = {
        "alpha.png": clear, "gray-alpha.png": clear.convert("LA"), "bits.png": image.convert("1"),
        "palette.png": image.quantize(7), "gray.pgm": image.convert("L"), "plain.bmp": image,
        "plain.tiff": image,
    }  # fmt: skip
    if features.check("webp"):
        images |= {"plain.webp": image, "alpha.webp": clear}
    found = {}
    for name, made in images.items():
        buffer = io.BytesIO()
        made.save(buffer, {"pgm": "PPM"}.get(name[-3:], name.split(".")[1].upper()))
        found[name] = buffer.getvalue()
    return found | {"png-as.jpg": found["alpha.png"], "webp-as.jpeg": WEBP}


@pytest.fixture(scope="module")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every sampling, coding and colour space of a JPEG that Pillow reads, and other formats."""
    root = tmp_path_factory.mktemp("odd")
    some = [sample for sample in sampling_samples() if sample.name.endswith(("130", "31", "7x3"))]
    groups = {"sampling": some, "coding": coding_samples(), "pillow": pillow_only_samples()}
    files = {f"{name}/{one.name}.jpg": one.data for name, group in groups.items() for one in group}
    files |= {f"other/{name}": data for name, data in other_formats().items()}
    for name, data in files.items():
        try:
            Image.open(io.BytesIO(data)).convert("RGB")
        except OSError:
            continue  # this Pillow reads no such file
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture(scope="module")
def odd_store(odd_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, packed."""
    path = tmp_path_factory.mktemp("store") / "odd.lmdb"
    pack(odd_folder, path)
    return path


@pytest.mark.parametrize("kind", LISTS)
def test_every_kind_of_file_is_torchs(odd_folder, odd_store, kind):
    """From the store and from the files."""
    transform = transforms.Compose(LISTS[kind])
    expected = torch_epoch(ImageFolder(str(odd_folder), transform), batch_size=16)
    for data in (LMDBDataset(odd_store, transform), ImageFolder(str(odd_folder), transform)):
        loader = DataLoader(data, batch_size=16)
        assert loader.plan().path == "workers+core"
        assert_same(epoch(loader), expected)


def facts(image: Image.Image) -> torch.Tensor:
    """What an image says of itself beside its pixels."""
    text = repr((image.mode, sorted(image.info.items(), key=repr)))
    return torch.tensor(list(text.encode()))


def turned(image: Image.Image) -> Image.Image:
    """Upright, where the EXIF orientation can be read."""
    with suppress(struct.error):
        return ImageOps.exif_transpose(image)
    return image


@pytest.mark.parametrize(
    "begin",
    [
        [transforms.Resize((24, 28))],
        [transforms.CenterCrop(40)],  # pads some of them
        [transforms.Resize((24, 28)), transforms.Grayscale()],
        [transforms.Resize((24, 28)), transforms.Grayscale(3)],
        [v2.RandomHorizontalFlip(1.0), v2.CenterCrop(40), v2.RandomVerticalFlip(1.0)],
        [v2.Pad(3), v2.CenterCrop(20)],
    ],
    ids=str,
)
def test_an_image_carries_the_files_info_where_torchvisions_does(odd_folder, odd_store, begin):
    """All of it from files; a store keeps the orientation, which decides how it is turned."""
    turn = [*begin, turned, transforms.Resize((9, 8)), transforms.ToTensor()]
    for tail, sources in ((turn, (LMDBDataset(odd_store), ImageFolder(str(odd_folder)))),
                          ([*begin, facts], (ImageFolder(str(odd_folder)),))):  # fmt: skip
        transform = transforms.Compose(tail)
        expected = torch_epoch(ImageFolder(str(odd_folder), transform), batch_size=None)
        for data in sources:
            data.transform = transform
            loader = DataLoader(data, batch_size=None)
            assert loader.plan().path == "workers+core"
            assert_same(epoch(loader), expected)


@pytest.mark.parametrize("sample", damaged_samples(), ids=lambda sample: sample.name)
@pytest.mark.parametrize("kind", ["v1 image", "v1 tensor"])
def test_a_damaged_file_is_an_error_where_it_is_torchs(tmp_path, sample, kind):
    """Otherwise it has the pixels that Pillow makes of it."""
    path = tmp_path / "one" / "photo.jpg"
    path.parent.mkdir()
    path.write_bytes(sample.data)
    dataset = ImageFolder(str(tmp_path), transforms.Compose(LISTS[kind]))
    try:
        expected = torch_epoch(dataset)
    except Exception:  # Pillow raises nearly anything
        with pytest.raises((DecodeError, OSError), match=r"photo\.jpg"):
            epoch(DataLoader(dataset))
    else:
        assert_same(epoch(DataLoader(dataset)), expected)


@pytest.mark.parametrize("tail", [[], [torch.neg]], ids=["engine", "workers+core"])
def test_a_file_is_cut_short_even_below_the_pixels_needed(tmp_path, tail):
    """As Pillow says, which decodes all of it."""
    path = tmp_path / "one" / "photo.jpg"
    path.parent.mkdir()
    data = save(picture(200, 90), quality=90)
    path.write_bytes(data[: len(data) * 19 // 20])
    dataset = ImageFolder(str(tmp_path), transforms.Compose([*STILL.transforms[1:], *tail]))
    with pytest.raises(OSError, match="truncated"):
        torch_epoch(dataset)
    with pytest.raises(DecodeError, match=r"photo\.jpg"):
        epoch(DataLoader(dataset))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", TAILS)
def test_batches_are_torchs(dataset, folder, kind, workers):
    """Bit for bit, whether Python goes on with an image or a tensor."""
    dataset.transform = folder.transform = transforms.Compose(TAILS[kind])
    for options in ({"batch_size": 5, "shuffle": True}, {"batch_size": None}):
        loader = DataLoader(dataset, num_workers=workers, **options)
        assert loader.plan().path == "workers+core"
        found = epoch(loader)
        state = torch.get_rng_state()
        assert_same(found, torch_epoch(folder, num_workers=workers, **options))
        assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_that_inherit_nothing(photo_store, folder, method):
    """The recipe is built anew in them."""
    transform = transforms.Compose(TAILS["tensor"])
    loader = DataLoader(
        LMDBDataset(photo_store, transform), batch_size=8, num_workers=1,
        multiprocessing_context=method,
    )  # fmt: skip
    folder.transform = transform
    assert_same(epoch(loader), torch_epoch(folder, batch_size=8))


def test_randomness_is_that_of_the_place(photo_store, photo_folder):
    """For any number of workers, and for store and files alike."""
    transform = transforms.Compose(
        [transforms.RandomResizedCrop(16), transforms.ToTensor(), jitter]
    )
    found = []
    for data in (LMDBDataset(photo_store, transform), ImageFolder(str(photo_folder), transform)):
        for workers in (0, 1, 2):
            batches = epoch(
                DataLoader(data, batch_size=5, num_workers=workers, shuffle=workers < 0)
            )
            found.append(batches)
    for other in found[1:]:
        assert_same(other, found[0])


def test_training_has_its_own_numbers(photo_store):
    """Without workers, the tail draws in the training process, and leaves no trace there."""
    loader = DataLoader(LMDBDataset(photo_store, transforms.Compose([*STILL.transforms, jitter])))
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    iterator = iter(loader)
    next(iterator)
    before = torch.get_rng_state(), random.getstate(), numpy_state()
    next(iterator)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), numpy_state())


@pytest.mark.parametrize("workers", [0, 1])
def test_damaged_sample_names_itself(damaged, workers):
    """From a worker too."""
    damaged.transform = transforms.Compose(TAILS["tensor"])
    with pytest.raises((RecordError, DecodeError), match="sample 4") as caught:
        epoch(DataLoader(damaged, batch_size=3, num_workers=workers))
    # torch's frames hold the error that holds them: as garbage, its workers would take 5 s to end.
    traceback.clear_frames(caught.tb)


def test_error_of_the_tail_passes_unchanged(dataset):
    """It is the user's."""

    def fail(image: Any) -> None:
        raise ZeroDivisionError("mine")

    dataset.transform = transforms.Compose([*STILL.transforms, fail])
    with pytest.raises(ZeroDivisionError, match=r"^mine$"):
        epoch(DataLoader(dataset))
