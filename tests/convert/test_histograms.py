"""Histograms count what is in the columns, in the terminal, as JSON and as a picture."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastload.convert import inspect, pack, plot_histograms
from fastload.convert.histograms import SIDE_BINS, binned
from fastload.convert.output_file import write_output
from fastload.errors import MissingLibraryError, PackError
from support.coco import coco_set
from support.commands import invoke
from support.trees import image_folder, write_photo
from support.yolo import yolo_set


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("yolo")
    yolo_set(root / "src", 6)
    pack(root / "src", root / "out.lmdb")
    return root / "out.lmdb"


def test_bins_are_closed_above_and_shown_from_the_first_to_the_last_that_has_any() -> None:
    assert binned(np.array([64, 65, 300, 384]), SIDE_BINS) == {
        "<= 64": 1, "<= 128": 1, "<= 256": 0, "<= 384": 2
    }  # fmt: skip
    assert binned(np.array([5000]), SIDE_BINS) == {"> 4,096": 1}
    assert binned(np.array([], np.int64), SIDE_BINS) == {}


def test_photos_and_objects_are_told_apart(labelled: Path) -> None:
    found = inspect(labelled).histograms
    # Photo 1 has an empty label file, photo 2 none, the others a cat and a dog each.
    assert found.photos_by_class == {"cat": 4, "dog": 4}
    assert found.objects_by_class == {"cat": 4, "dog": 4}
    assert found.photos_by_objects == {"<= 0": 1, "<= 1": 0, "<= 2": 4}
    assert sum(found.objects_by_box_side.values()) == 8
    # 0.25 x 0.5 and 0.125 x 0.25 of the picture.
    assert found.objects_by_box_share == {"<= 10": 4, "<= 30": 4}
    assert found.photos_by_height_width["40 x 64"] == 1
    assert found.height_by_width.sum() == 6
    assert found.height_by_width[0, 0] == 6


def test_a_class_that_occurs_twice_in_a_photo_counts_one_photo(tmp_path: Path) -> None:
    coco_set(tmp_path / "src", 6)  # 0, 1, 2, 0, 1, 2 dogs
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    found = inspect(tmp_path / "out.lmdb").histograms
    assert found.photos_by_class["dog"] == 4
    assert found.objects_by_class["dog"] == 6


def test_without_objects_photos_have_classes(tmp_path: Path) -> None:
    image_folder(tmp_path / "src", classes=2, photos=3)
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    found = inspect(tmp_path / "out.lmdb").histograms
    assert found.photos_by_class == {"class_0": 3, "class_1": 3}
    assert found.objects_by_class == found.photos_by_objects == {}


def test_frequent_sizes_come_first_and_the_rest_is_counted(tmp_path: Path) -> None:
    for number in range(24):
        write_photo(tmp_path / "src" / f"{number:02}.jpg", 16, 16 + max(0, number - 2))
    pack(tmp_path / "src", tmp_path / "out.lmdb")
    found = inspect(tmp_path / "out.lmdb").histograms.photos_by_height_width
    assert next(iter(found.items())) == ("16 x 16", 3)
    assert found["other sizes"] == 2
    assert sum(found.values()) == 24


def test_the_terminal_and_json_show_them(labelled: Path) -> None:
    text = invoke("inspect", labelled)
    for part in ("Photos a class", "Objects a photo", "Boxes, percent", "\u2588"):
        assert part in text
    found = json.loads(invoke("inspect", labelled, "--json"))["histograms"]
    assert found == inspect(labelled).histograms.as_json()
    assert found["objects_by_class"] == {"cat": 4, "dog": 4}
    assert np.sum(found["height_by_width"]["photos"]) == 6


def test_the_picture_is_drawn(labelled: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert "written: " in invoke("inspect", labelled, "--histograms", tmp_path / "h.png")
    with Image.open(tmp_path / "h.png") as image:
        assert image.width > 500
        assert len(set(image.convert("L").resize((64, 64)).tobytes())) > 10
    assert "expected a name that ends in" in invoke(
        "inspect", labelled, "--histograms", tmp_path / "h.xyz", code=1
    )
    assert list(tmp_path.iterdir()) == [tmp_path / "h.png"]


def test_without_matplotlib_it_is_said_how_to_get_it(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'fastload\[plot\]'"):
        plot_histograms(inspect(labelled), tmp_path / "h.png")


def test_the_store_is_never_overwritten(labelled: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(labelled)
    before = labelled.read_bytes()
    with pytest.raises(PackError, match="the store itself"):
        write_output(link, b"picture", labelled)
    assert labelled.read_bytes() == before
