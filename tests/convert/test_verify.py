"""verify finds what is not as it was packed, and names it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fastload.convert import Finding, pack, verify
from fastload.records import Codec
from fastload.store import Store, StoreWriter, WriterHeader
from support.trees import image_folder, write_photo


@pytest.fixture
def source(tmp_path: Path) -> Path:
    root = image_folder(tmp_path / "src", classes=2)
    write_photo(root / "class_0" / "p.png", format_name="PNG")
    (root / "class_0" / "empty.jpg").write_bytes(b"")
    return root


@pytest.fixture
def store(source: Path, tmp_path: Path) -> Path:
    pack(source, tmp_path / "out.lmdb")
    return tmp_path / "out.lmdb"


def differences(store: Path, source: Path | None = None, *, deep: bool = False) -> dict[str, str]:
    found: list[Finding] = []
    report = verify(store, source, deep=deep, on_finding=found.append)
    assert report.differences_count == len(found)
    return {finding.name: finding.kind for finding in found}


def rewrite(store: Path, out: Path, at: int = 1, **changes: object) -> Path:
    """A copy of a store in which one sample's metadata or record is another."""
    with Store(store) as old, StoreWriter(out, WriterHeader(class_names=old.header.class_names)) \
            as writer:  # fmt: skip
        for index, name in enumerate(old.names):
            record = old.record(index)
            values: dict[str, object] = {
                "name": name, "content_hash": old.column("content_hash")[index].tobytes(),
                "format": old.header.formats[old.column("format")[index]],
            }  # fmt: skip
            if index == at:
                fields = {key: changes[key] for key in changes if hasattr(record, key)}
                record = replace(record, **fields)  # type: ignore[arg-type]
                values |= {key: changes[key] for key in changes if key not in fields}
            writer.append(record, **values)  # type: ignore[arg-type]
        writer.commit(len(old))
        writer.publish()
    return out


def test_a_good_store_has_no_differences(store: Path, source: Path) -> None:
    assert differences(store, source, deep=True) == {}
    assert verify(store).photos == 9


def test_equal_content_has_equal_hashes(store: Path, source: Path, tmp_path: Path) -> None:
    pack(source, tmp_path / "again.lmdb")
    pack(source, tmp_path / "own.lmdb", tile="never")
    hashes = [verify(tmp_path / f"{name}.lmdb").content_hash for name in ("out", "again", "own")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_changed_source_is_found(store: Path, source: Path) -> None:
    write_photo(source / "class_0" / "photo_000.jpg", seed=77)
    (source / "class_0" / "photo_001.jpg").unlink()
    write_photo(source / "class_1" / "photo_new.jpg")
    assert differences(store, source) == {
        "class_0/photo_000.jpg": "source-differs",
        "class_0/photo_001.jpg": "source-missing",
        "class_1/photo_new.jpg": "not-packed",
    }
    assert differences(store) == {}


def test_flipped_bits_in_records_are_found(store: Path) -> None:
    with Store(store) as opened:
        offsets, lengths = opened.column("file_offset"), opened.column("length")
        places = [int(offsets[index] + lengths[index] // 2) for index in range(len(opened))]
        names = list(opened.names)
    data = store.read_bytes()
    for place, name in zip(places, names, strict=True):
        store.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert differences(store) == {name: "record"}


@pytest.mark.parametrize(
    ("changes", "kinds"),
    [
        ({"content_hash": bytes(16)}, {"restore"}),
        ({"height": 7}, {"decode"}),
        ({"height": 7, "at": 0}, {"size"}),  # of the PNG, which only Pillow looks at
        ({"codec": Codec.OTHER}, {"decode", "restore"}),
        ({"source_size": 7}, {"restore"}),
        ({"codec": Codec.JPEG, "head": b"", "body": b"junk"}, {"decode", "restore"}),
    ],
)
def test_records_that_do_not_give_the_file_back_are_found(
    store: Path, tmp_path: Path, changes: dict[str, object], kinds: set[str]
) -> None:
    found: list[Finding] = []
    verify(rewrite(store, tmp_path / "bad.lmdb", **changes), on_finding=found.append)
    name = "class_0/p.png" if "at" in changes else "class_0/photo_000.jpg"
    assert {finding.name for finding in found} == {name}
    assert {finding.kind for finding in found} == kinds


def test_hostile_names_are_not_read(store: Path, tmp_path: Path, source: Path) -> None:
    secret = write_photo(tmp_path / "secret.jpg")
    bad = rewrite(store, tmp_path / "bad.lmdb", name="../secret.jpg")
    assert differences(bad, source)["../secret.jpg"] == "unsafe-name"
    assert secret.exists()
