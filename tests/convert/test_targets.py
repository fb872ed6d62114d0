"""Where stores go: OUT may be a link, and stays one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastload.convert import merge, pack, split
from fastload.convert.shares import Sharding
from fastload.errors import PackError, SourceError
from fastload.store import Store, partial_path
from support.trees import image_folder, write_photo

FORMS: dict[str, dict[str, Any]] = {
    "file": {}, "shards": {"sharding": Sharding(shards=2)}, "split": {"split_stores": True},
}  # fmt: skip


def photos(path: Path) -> int:
    with Store(path) as store:
        return len(store)


@pytest.mark.parametrize("form", FORMS)
def test_of_a_link_what_it_leads_to_is_made_updated_and_replaced(tmp_path: Path, form: str) -> None:
    """It leads nowhere at first; partial files lie where it leads to."""
    disk = tmp_path / "disk"
    disk.mkdir()
    source = tmp_path / "src"
    root = image_folder(source / "train" if form == "split" else source, classes=1, photos=2)
    out, target = tmp_path / "out.lmdb", disk / "store.lmdb"
    link = tmp_path / "out-train.lmdb" if form == "split" else out
    link.symlink_to("disk/store.lmdb")
    seen = []

    def look(_finding: object) -> None:
        seen.append((partial_path(target).exists(), partial_path(link).exists()))

    (root / "class_0" / "bad.jpg").write_bytes(b"")
    options = FORMS[form]
    summary = pack(source, out, on_finding=look, **options)
    assert seen[0] == (True, False)
    assert summary.stores == (target,)
    write_photo(root / "class_0" / "new.jpg", seed=7)
    pack(source, out, update=True, **options)
    assert photos(target) == 3
    (root / "class_0" / "new.jpg").unlink()
    pack(source, out, overwrite=True, **options)
    assert (photos(target), photos(link)) == (2, 2)
    assert link.is_symlink()
    with pytest.raises(PackError, match="exists"):
        pack(source, out, **options)


def test_a_link_may_lead_neither_into_the_source_nor_in_a_circle(tmp_path: Path) -> None:
    root = image_folder(tmp_path / "src" / "train", classes=1, photos=2).parent
    for name in ("out.lmdb", "out-train.lmdb"):
        (tmp_path / name).symlink_to(root / "inside.lmdb")
    for split_stores in (False, True):
        with pytest.raises(SourceError, match="lies inside the source"):
            pack(root, tmp_path / "out.lmdb", split_stores=split_stores)
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(PackError, match="found a circle"):
        pack(root, tmp_path / "a")
    assert not list(root.glob("*.lmdb*"))


def test_merging_and_splitting_write_what_a_link_leads_to(tmp_path: Path) -> None:
    disk, out = tmp_path / "disk", tmp_path / "one.lmdb"
    disk.mkdir()
    pack(image_folder(tmp_path / "src" / "train", classes=1, photos=2).parent, out)
    for name in ("both.lmdb", "part-train.lmdb"):
        (tmp_path / name).symlink_to(disk / name)
    merge([out], tmp_path / "both.lmdb")
    split(out, tmp_path / "part")
    assert [photos(disk / name) for name in ("both.lmdb", "part-train.lmdb")] == [2, 2]
    assert all((tmp_path / name).is_symlink() for name in ("both.lmdb", "part-train.lmdb"))
