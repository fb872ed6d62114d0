"""Photos that stand twice are found, exact and near, within splits and across them and stores."""

from __future__ import annotations

import io
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload.convert import Finding, duplicates, pack
from fastload.convert.perceptual import HASH_SIDE, load_perceptual_hash
from fastload.convert.thumbnail import small_picture
from fastload.errors import MissingLibraryError
from fastload.store import Store
from support.commands import invoke
from support.trees import write_photo
from support.yolo import turned_photo


def again(source: Path, target: Path, *, height: int, width: int, quality: int = 70) -> None:
    """The photo scaled and saved anew."""
    with Image.open(source) as image:
        image.resize((width, height)).save(target, "JPEG", quality=quality)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``train``: a, a again, b, b scaled, a flat one; ``val``: a, b turned, c."""
    root = tmp_path_factory.mktemp("src")
    train, val = root / "train" / "x", root / "val" / "x"
    write_photo(train / "a.jpg", 64, 80, seed=1)
    shutil.copy(train / "a.jpg", train / "a2.jpg")
    write_photo(train / "b.jpg", 64, 80, seed=2)
    again(train / "b.jpg", train / "b2.jpg", height=50, width=60)
    Image.new("RGB", (40, 40), (9, 9, 9)).save(train / "flat.png")
    val.mkdir(parents=True)
    shutil.copy(train / "a.jpg", val / "a.jpg")
    with Image.open(train / "b.jpg") as image:
        exif = Image.Exif()
        exif[0x0112] = 6  # shown turned clockwise by a quarter
        image.transpose(Image.Transpose.ROTATE_90).save(val / "b.jpg", quality=80, exif=exif)
    write_photo(val / "c.jpg", 64, 80, seed=3)
    return root


@pytest.fixture(scope="module")
def store(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "out.lmdb"
    pack(source, path)
    return path


def found_in(*stores: Path, near: int | None = None) -> dict[tuple[str, str], str]:
    found: list[Finding] = []
    report = duplicates(*stores, near=near, on_finding=found.append)
    assert report.leaks_count == sum("leak" in finding.kind for finding in found)
    return {(finding.kind, finding.name): finding.detail for finding in found}


def test_exact_duplicates_and_leaks_name_what_they_repeat(store: Path) -> None:
    found = found_in(store)
    assert set(found) == {("duplicate", "train/x/a2.jpg"), ("leak", "val/x/a.jpg")}
    assert "train/x/a.jpg" in found["duplicate", "train/x/a2.jpg"]
    assert "in train stands train/x/a.jpg" in found["leak", "val/x/a.jpg"]


def test_near_ones_are_found_though_scaled_saved_anew_or_turned(store: Path) -> None:
    pytest.importorskip("imagehash")
    found = found_in(store, near=6)
    assert set(found) == {
        ("duplicate", "train/x/a2.jpg"),
        ("leak", "val/x/a.jpg"),
        ("near-duplicate", "train/x/b2.jpg"),
        ("near-leak", "val/x/b.jpg"),
    }
    assert "of 64 bits apart" in found["near-leak", "val/x/b.jpg"]
    report = duplicates(store, near=6)
    assert report.unhashed == 1
    assert report.exact_leaks == report.near_leaks == {("train", "val"): 1}


def test_stores_of_single_splits_are_compared(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "o.lmdb", split_stores=True)
    both = found_in(tmp_path / "o-train.lmdb", tmp_path / "o-val.lmdb")
    assert ("leak", "o-val.lmdb: val/x/a.jpg") in both
    assert "o-train.lmdb: train/x/a.jpg" in both["leak", "o-val.lmdb: val/x/a.jpg"]
    # The order in which they are named does not make val the one to learn from.
    assert found_in(tmp_path / "o-val.lmdb", tmp_path / "o-train.lmdb").keys() == both.keys()


def test_a_store_without_splits_is_one_of_its_own_name(source: Path, tmp_path: Path) -> None:
    pack(source / "val" / "x", tmp_path / "one.lmdb")
    shutil.copy(tmp_path / "one.lmdb", tmp_path / "other.lmdb")
    assert duplicates(tmp_path / "one.lmdb").leaks_count == 0
    report = duplicates(tmp_path / "one.lmdb", tmp_path / "other.lmdb")
    assert report.exact_leaks == {("one", "other"): 3}


def test_photos_made_smaller_still_repeat_their_files(source: Path, tmp_path: Path) -> None:
    pack(source / "val" / "x", tmp_path / "small.lmdb", max_side=32)
    pack(source / "val" / "x", tmp_path / "own.lmdb")
    report = duplicates(tmp_path / "small.lmdb", tmp_path / "own.lmdb")
    assert report.exact_leaks == {("small", "own"): 3}


def test_the_hash_is_imagehash_s_and_of_the_upright_picture(tmp_path: Path) -> None:
    imagehash = pytest.importorskip("imagehash")
    perceptual_hash = load_perceptual_hash()
    turned_photo(tmp_path / "src" / "t.jpg", 60, 90, 8)
    write_photo(tmp_path / "src" / "u.png", 50, 40, format_name="PNG")
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    with Store(tmp_path / "out.lmdb") as opened:
        for index in range(2):
            size = HASH_SIDE, HASH_SIDE
            small = small_picture(opened, index, size, HASH_SIDE, filter="lanczos")
            with Image.open(io.BytesIO(opened.read_source(index))) as image:
                whole = image.convert("RGB")
            if index == 0:
                whole = whole.transpose(Image.Transpose.ROTATE_90)
            expected = int(str(imagehash.phash(whole)), 16)
            apart = (perceptual_hash(small) or 0) ^ expected
            assert apart.bit_count() <= 4  # gray before scaling rounds otherwise


def test_pictures_of_one_colour_have_no_hash() -> None:
    pytest.importorskip("imagehash")
    perceptual_hash = load_perceptual_hash()
    assert perceptual_hash(Image.new("RGB", (32, 32), (7, 80, 9))) is None
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert perceptual_hash(Image.fromarray(noise)) is not None


def test_without_imagehash_it_is_said_how_to_get_it(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'fastload\[duplicates\]'"):
        duplicates(store, near=4)
    assert duplicates(store).exact_duplicates == 1


def test_a_damaged_photo_is_reported_and_the_rest_compared(store: Path, tmp_path: Path) -> None:
    pytest.importorskip("imagehash")
    data = bytearray(store.read_bytes())
    data[data.index(b"FLRC") + 200] ^= 1
    (tmp_path / "bad.lmdb").write_bytes(data)
    found = found_in(tmp_path / "bad.lmdb", near=6)
    assert ("record", "train/x/a.jpg") in found
    assert ("near-duplicate", "train/x/b2.jpg") in found


def test_the_command_says_it_and_ends_with_3_where_photos_leak(store: Path, tmp_path: Path) -> None:
    lines = tmp_path / "repeated.jsonl"
    text = invoke("duplicates", store, "--problems", lines, code=3)
    for part in ("1 repeat another of their split", "1 of val stand in train too", "train/x/a2"):
        assert part in text
    kinds = sorted(json.loads(line)["kind"] for line in lines.read_text().splitlines())
    assert kinds == ["duplicate", "leak"]
    found = json.loads(invoke("duplicates", store, "--json", code=3))
    assert (found["leaks_count"], found["exact_leaks"]) == (1, {"train/val": 1})


def test_without_leaks_it_ends_with_0(source: Path, tmp_path: Path) -> None:
    pack(source / "train", tmp_path / "o.lmdb")
    assert "none leaks" in invoke("duplicates", tmp_path / "o.lmdb")
    with pytest.raises(ValueError, match="one or more"):
        duplicates()
