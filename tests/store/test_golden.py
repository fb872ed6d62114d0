"""Stores of every format version that was ever released stay readable, byte for byte.

The files are committed; nothing here makes them (tests/golden/make.py did). Missing ones fail.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest

from fastload import _core, pixels
from fastload.records import Codec
from fastload.store import (
    PHOTO_COLUMNS,
    Problem,
    SampleLabels,
    Store,
    StoreWriter,
    WriterHeader,
    partial_path,
)
from support.hostile_stores import classic_format
from support.labels import plain
from support.stores import split_block

GOLDEN = Path(__file__).parents[1] / "golden"
VERSIONS = (1, 2)


def expected_of(version: int) -> dict[str, Any]:
    """What the golden store must give."""
    found: dict[str, Any] = json.loads((GOLDEN / f"v{version}.json").read_text())
    return found


def open_golden(version: int) -> Store:
    """The golden store."""
    return Store(GOLDEN / f"v{version}.lmdb")


@pytest.mark.parametrize("version", VERSIONS)
def test_header_columns_names_and_problems(version: int) -> None:
    expected = expected_of(version)
    with open_golden(version) as store:
        assert json.loads(store.header.to_json()) == expected["header"]
        for name, values in expected["columns"].items():
            assert store.column(name).tolist() == values, name
        assert [os.fsencode(name).hex() for name in store.names] == expected["names"]
        assert store.problems == tuple(Problem(*fields) for fields in expected["problems"])


def test_labels_and_attached_files() -> None:
    expected = expected_of(2)
    with open_golden(2) as store:
        annotations = store.annotations
        assert annotations is not None
        for index, labels in enumerate(expected["labels"]):
            assert json.loads(json.dumps(plain(annotations[index]))) == labels
        for index, file in enumerate(expected["label_files"]):
            found = annotations.label_file(index)
            assert file == (
                None
                if found is None
                else [os.fsencode(found.name).hex(), found.text.hex(), found.mtime_ns, found.mode]
            )
        for number, data in enumerate(expected["files"]):
            assert store.read_file(number).hex() == data


def labels_of(store: Store, index: int) -> SampleLabels | None:
    """What the writer was given for a sample."""
    annotations = store.annotations
    if annotations is None:
        return None
    return replace(annotations[index], file=annotations.label_file(index))


@pytest.mark.parametrize("version", VERSIONS)
def test_records_sources_and_pixels(version: int) -> None:
    expected = expected_of(version)
    with open_golden(version) as store:
        codecs = set()
        for index in range(len(store)):
            data = store.record_bytes(index)
            record = store.record(index)
            codecs.add(record.codec)
            assert _core.xxh3_128(data).hex() == expected["records_xxh3_128"][index]
            if record.codec is not Codec.RAW:
                source = _core.xxh3_128(store.read_source(index))
                assert source.hex() == expected["sources_xxh3_128"][index]
                assert source == store.column("content_hash")[index].tobytes()
            if record.codec is not Codec.OTHER:
                image = np.ascontiguousarray(pixels.decode(data))
                assert _core.xxh3_128(image).hex() == expected["pixels_xxh3_128"][index]
        assert codecs == set(Codec)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_file_is_lmdbs_classic_format(version: int, tmp_path: Path) -> None:
    """Read with whatever lmdb is installed, and with the classic library where it has two."""
    path = tmp_path / "golden.lmdb"
    shutil.copy(GOLDEN / f"v{version}.lmdb", path)
    assert path.read_bytes()[16:24] == bytes.fromhex("dec0efbe01000000")
    for options in ({}, classic_format()):
        environment = lmdb.open(
            str(path), subdir=False, readonly=True, lock=False, max_dbs=4, **options
        )
        records = environment.open_db(b"records", create=False)
        with environment.begin() as transaction:
            hashes = [
                _core.xxh3_128(record).hex()
                for _key, block in transaction.cursor(db=records)
                for record in split_block(block)
            ]
        environment.close()
        assert hashes == expected_of(version)["records_xxh3_128"]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_half_packed_store_goes_on(version: int, tmp_path: Path) -> None:
    """Begun by an older release, finished by this one, and the same."""
    path = tmp_path / f"v{version}.lmdb"
    shutil.copy(partial_path(GOLDEN / path.name), partial_path(path))
    with open_golden(version) as store:
        own = {name: getattr(store.header, name) for name in WriterHeader.__dataclass_fields__}
        columns = {spec.name: store.column(spec.name) for spec in PHOTO_COLUMNS}
        annotations = store.annotations
        files = b"" if annotations is None else store.column("files.bytes").tobytes()
        with StoreWriter(path, WriterHeader(**own), files=files) as writer:
            assert writer.committed_position == 3
            for index in range(3, len(store)):
                writer.append(
                    store.record(index),
                    name=store.names[index],
                    class_id=int(columns["class_id"][index]),
                    split=int(columns["split"][index]),
                    format=store.header.formats[columns["format"][index]],
                    source_mtime_ns=int(columns["source_mtime_ns"][index]),
                    source_mode=int(columns["source_mode"][index]),
                    content_hash=columns["content_hash"][index].tobytes(),
                    warnings=int(columns["warnings"][index]),
                    labels=labels_of(store, index),
                )
            for problem in store.problems:
                writer.report(problem)
            writer.commit(store.header.source_count)
            writer.publish()
        with Store(path) as finished:
            assert finished.names == store.names
            for index in range(len(store)):
                assert finished.record_bytes(index) == store.record_bytes(index)
            for name in set(store.column_names) - {"file_offset"}:
                assert finished.column(name).tobytes() == store.column(name).tobytes(), name
            assert finished.problems == store.problems
