"""inspect counts what is in a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastload.convert import inspect, pack
from fastload.errors import StoreFormatError
from support.trees import image_folder, write_photo


def test_figures(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src", classes=2)
    write_photo(root / "class_1" / "p.png", 10, 300, format_name="PNG")
    (root / "class_1" / "empty.jpg").write_bytes(b"")
    (root / "class_2").mkdir()
    pack(root, tmp_path / "out.lmdb")
    found = inspect(tmp_path / "out.lmdb").as_json()
    assert json.loads(json.dumps(found)) == found
    assert found["photos"] == 9
    assert found["classes"] == {"class_0": 4, "class_1": 5, "class_2": 0}
    assert found["codecs"] == {"tiles": 8, "other": 1}
    assert found["formats"] == {"JPEG": 8, "PNG": 1}
    assert sum(found["longer_side_pixels"].values()) == 9
    assert found["longer_side_pixels"]["<= 384"] == 1
    assert found["height_width"]["largest"] == [39, 300]
    assert found["problems_count"] == 1
    assert found["problems"]["empty"]["examples"][0]["name"] == "class_1/empty.jpg"
    assert found["source"] == str(root)
    assert found["store_bytes"] == (tmp_path / "out.lmdb").stat().st_size


def test_what_is_no_store_is_said(tmp_path: Path) -> None:
    path = write_photo(tmp_path / "photo.lmdb")
    with pytest.raises(StoreFormatError, match=r"photo\.lmdb"):
        inspect(path)
