"""What holds for every layout: found, packed, interrupted, verified, and given back."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastload.convert import Finding, Severity, pack, unpack, verify
from fastload.convert.sources import LAYOUTS as KNOWN
from fastload.errors import ResumeError, SourceError
from fastload.store import Store, partial_path
from support.interrupt import StopAfter
from support.layouts import LAYOUTS, given_back
from support.trees import content_hash, snapshot


@pytest.fixture(params=LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(layout: str, tmp_path: Path) -> Path:
    return LAYOUTS[layout](tmp_path / "src")


def test_every_layout_is_tried_here() -> None:
    assert set(KNOWN) == {"auto", *LAYOUTS}


@pytest.mark.parametrize("layout", ["coco", "imagefolder", "voc", "yolo"], indirect=True)
def test_files_that_say_nothing_of_photos_are_listed(source: Path, tmp_path: Path) -> None:
    for name in ("LICENSE", "README.md"):
        (source / name).write_text("free for all")
    found: list[Finding] = []
    pack(source, tmp_path / "o.lmdb", on_finding=found.append)
    ignored = {one.name for one in found if one.severity is Severity.IGNORED}
    assert ignored >= {"LICENSE", "README.md"}
    with Store(tmp_path / "o.lmdb") as store:
        kept = store.annotations.header.files if store.annotations is not None else ()
    assert not ignored & {file.name for file in kept}


def test_a_layout_is_found_out_and_nothing_in_the_source_is_touched(
    layout: str, source: Path, tmp_path: Path
) -> None:
    before = snapshot(tmp_path / "src")
    found: list[Finding] = []
    summary = pack(source, tmp_path / "out.lmdb", on_finding=found.append)
    assert summary.layout == layout
    assert summary.contents.photos == 12
    assert snapshot(tmp_path / "src") == before
    problems = [f for f in found if f.severity is Severity.PROBLEM]
    with Store(tmp_path / "out.lmdb") as store:
        assert [(p.path, p.kind, p.reason) for p in store.problems] == [
            (f.name, f.kind, f.detail) for f in problems
        ]
    assert summary.problems_count == len(problems) > 0
    named = pack(source, tmp_path / "named.lmdb", layout=layout)
    assert named.contents == summary.contents


def test_what_was_packed_comes_back_byte_for_byte(
    layout: str, source: Path, tmp_path: Path
) -> None:
    pack(source, tmp_path / "out.lmdb")
    back = tmp_path / "back"
    report = unpack(tmp_path / "out.lmdb", back)
    assert report.problems_count == 0
    assert snapshot(back) == given_back(layout, tmp_path / "src")
    assert unpack(tmp_path / "out.lmdb", back).files == 0


def test_a_store_is_as_its_source_is(source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "out.lmdb")
    report = verify(tmp_path / "out.lmdb", source, deep=True)
    assert report.differences_count == 0, report.as_json()


@pytest.mark.parametrize("photos", [1, 7, 11])
def test_an_interrupted_packing_ends_as_an_uninterrupted_one(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: int
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "out.lmdb"
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, progress=StopAfter(photos), workers=2)
    assert partial_path(out).exists()
    summary = pack(source, out)
    assert summary.packed_photos < 12
    whole = pack(source, tmp_path / "whole.lmdb")
    assert content_hash(out) == content_hash(tmp_path / "whole.lmdb")
    with Store(out) as a, Store(tmp_path / "whole.lmdb") as b:
        assert a.problems == b.problems
        assert a.header.annotations == b.header.annotations
    for severity in ("problems", "ignored", "notes"):
        assert summary.as_json()[severity] == whole.as_json()[severity]


def test_a_store_a_split_holds_what_named_splits_do(
    layout: str, source: Path, tmp_path: Path
) -> None:
    whole = pack(source, tmp_path / "out.lmdb")
    if not whole.contents.splits:
        with pytest.raises(SourceError, match="split"):
            pack(source, tmp_path / "each.lmdb", split_stores=True)
        return
    each = pack(source, tmp_path / "each.lmdb", split_stores=True)
    assert each.contents.splits == whole.contents.splits
    assert each.contents.labels == whole.contents.labels
    assert each.contents.objects == whole.contents.objects
    assert each.problems_count == whole.problems_count
    for path in each.stores:
        assert verify(path, source).differences_count == 0


def test_changed_labels_are_not_mixed_with_those_that_were_packed(
    layout: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    out = tmp_path / "out.lmdb"
    with pytest.raises(KeyboardInterrupt):
        pack(source, out, progress=StopAfter(9), workers=1)
    with Store(pack(source, tmp_path / "whole.lmdb").stores[0]) as store:
        annotations = store.annotations
        if annotations is None:
            return
        names = [file.name for file in annotations.header.files]
        file = annotations.label_file(0)
        names += [] if file is None else [file.name]
    for name in names:
        path = tmp_path / "src" / name
        before = path.read_bytes()
        path.write_bytes(before + b"\n")
        with pytest.raises(ResumeError, match="--restart"):
            pack(source, out)
        path.write_bytes(before)
