"""The chunks of columns that wait for publishing."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from fastload.errors import StoreFormatError
from fastload.store import Store, StoreWriter, group, partial_path
from fastload.store.header import seal
from support.labels import FILES, LABELLED, labelled_samples
from support.stores import add, content, pack

SAMPLES = labelled_samples(40)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """What an uninterrupted packing gives."""
    path = tmp_path_factory.mktemp("pending") / "whole.lmdb"
    pack(path, SAMPLES, header=LABELLED, files=FILES)
    with Store(path) as store:
        return content(store)


def test_a_packing_that_began_with_plain_chunks_goes_on(
    tmp_path: Path, expected: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.lmdb"
    with monkeypatch.context() as patched:
        patched.setattr(group, "encode_chunk", seal)
        patched.setattr(group, "chunk_key", lambda name, number: f"{name}/{number:016x}".encode())
        with StoreWriter(path, LABELLED, files=FILES) as writer:
            add(writer, SAMPLES[:25], group=10, problems=())
            sizes = writer._store.publication().label_bytes()  # type: ignore[union-attr]
    with StoreWriter(path, LABELLED, files=FILES) as writer:
        assert writer._store.publication().label_bytes() == sizes  # type: ignore[union-attr]
    pack(path, SAMPLES, header=LABELLED, files=FILES)
    with Store(path) as store:
        assert content(store) == expected


def test_chunks_count_by_what_they_hold(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "out.lmdb", LABELLED, files=FILES) as writer:
        add(writer, SAMPLES, group=10)
        found = writer._store.publication().label_bytes()  # type: ignore[union-attr]
        for name in ("objects.box", "label_text.bytes", "files.bytes"):
            assert found[name] == writer.committed_column(name).nbytes


@pytest.mark.parametrize(
    "damaged",
    [b"", b"short", bytes(8) + b"no zlib", (7).to_bytes(8, "little") + zlib.compress(b"eight888"),
     (9).to_bytes(8, "little") + zlib.compress(b"eight888"), b"\xff" * 8 + zlib.compress(b"x"),
     (2).to_bytes(8, "little") + zlib.compress(b"xy")[:-3]],
)  # fmt: skip
def test_a_damaged_chunk_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bytes
) -> None:
    path = tmp_path / "out.lmdb"
    monkeypatch.setattr(group, "encode_chunk", lambda _data: seal(damaged))
    with StoreWriter(path, LABELLED, files=FILES) as writer:
        add(writer, SAMPLES, group=50)
        with pytest.raises(StoreFormatError, match=r"chunk class_id/0+1z: damaged"):
            writer.publish()
    assert partial_path(path).exists()
    assert not path.exists()
