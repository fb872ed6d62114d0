"""A dry packing has the columns that the same packing would publish."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fastload.store import Store, StoreWriter
from support.labels import FILES, LABELLED, labelled_samples, plain
from support.stores import add, pack

SAMPLES = labelled_samples(40)


def test_columns_are_those_of_a_published_store(tmp_path: Path) -> None:
    pack(tmp_path / "store.lmdb", SAMPLES, header=LABELLED, files=FILES)
    with (
        StoreWriter(tmp_path / "dry.lmdb", LABELLED, files=FILES, dry=True) as writer,
        Store(tmp_path / "store.lmdb") as store,
    ):
        add(writer, SAMPLES, group=7)
        dry = writer.committed_samples()
        assert len(dry) == len(store)
        assert dry.names == store.names
        assert dry.header.formats == store.header.formats
        assert dry.header.problems_count == store.header.problems_count
        for name in set(store.column_names) - {"file_offset"}:
            np.testing.assert_array_equal(dry.column(name), store.column(name), err_msg=name)
            assert dry.column(name).dtype == store.column(name).dtype
        assert dry.annotations is not None
        assert store.annotations is not None
        assert list(map(plain, dry.annotations)) == list(map(plain, store.annotations))
        assert 0.7 < writer.size_bytes / store.path.stat().st_size < 1.4
        writer.publish()
    assert [path.name for path in tmp_path.iterdir()] == ["store.lmdb"]


def test_what_is_committed_is_seen_before_it_is_published(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "x.lmdb", LABELLED, files=FILES) as writer:
        add(writer, SAMPLES[:20], group=7, problems=())
        seen = writer.committed_samples()
        assert [seen.names[index].split("/")[0] for index in (0, 1)] == ["cat", "dog"]
        assert seen.annotations is not None
        assert plain(seen.annotations[18]) == plain(SAMPLES[18].metadata["labels"])
        with pytest.raises(KeyError):
            seen.column("nothing")
