"""A sharded store on the engine: the batches of the one store that it stands for."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from fastload import DataLoader, LMDBDataset, ShardShuffle
from fastload.convert import Sharding, pack
from fastload.errors import StoreError
from support.http_folder import http_folder
from support.loaders import RANDOM, STILL, assert_same, damage_record, epoch, halved


@pytest.fixture(scope="module", params=["in order", "dealt"])
def sharded(
    request: pytest.FixtureRequest, photo_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    path = tmp_path_factory.mktemp("shards") / "set"
    sharding = Sharding(shards=4, deal=request.param == "dealt")
    pack(photo_folder, path, sharding=sharding, workers=2)
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_those_of_one_store(sharded: Path, photo_store: Path, workers: int) -> None:
    for transform in (STILL, RANDOM):
        found = DataLoader(LMDBDataset(sharded, transform), 5, shuffle=True, num_workers=workers)
        assert found.plan().path == "engine", found.plan()
        expected = DataLoader(
            LMDBDataset(photo_store, transform), 5, shuffle=True, num_workers=workers
        )
        assert_same(epoch(found), epoch(expected))


def test_samples_are_those_of_one_store(sharded: Path, photo_store: Path) -> None:
    many, one = LMDBDataset(sharded), LMDBDataset(photo_store)
    assert many.samples == one.samples
    assert many.class_to_idx == one.class_to_idx
    for index in range(len(one)):
        assert many[index][0].tobytes() == one[index][0].tobytes()


def test_a_damaged_record_is_named_or_left_out(sharded: Path, tmp_path: Path) -> None:
    for path in sharded.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    damage_record(tmp_path / "shard-00002.lmdb", 1)
    dataset = LMDBDataset(tmp_path, STILL)
    loader = DataLoader(dataset, 24, num_workers=1, on_error="skip")
    assert [len(images) for images, _ in loader] == [23]
    (error,) = loader.errors
    assert "shard-00002.lmdb" in str(error)


@pytest.mark.parametrize("shards_held", [4, 2])
def test_batches_of_remote_shards_are_those_of_one_store(
    request: pytest.FixtureRequest,
    sharded: Path,
    photo_store: Path,
    tmp_path: Path,
    shards_held: int,
) -> None:
    """Also where the cache holds but half of the shards, and parts of a batch wait their turn."""
    pytest.importorskip("aiohttp")
    columns = (sharded / "columns.lmdb").stat().st_size
    largest = max(path.stat().st_size for path in sharded.glob("shard-*"))
    if shards_held < 4 and "dealt" in request.node.name:
        pytest.skip("a batch needs all shards: that fetches each many times, and is warned of")
    with http_folder(sharded) as served:
        dataset = LMDBDataset(
            served.url, RANDOM, cache_dir=tmp_path, cache_bytes=columns + shards_held * largest
        )
        found = DataLoader(dataset, 6, num_workers=2)
        expected = DataLoader(LMDBDataset(photo_store, RANDOM), 6, num_workers=2)
        assert found.plan().path == "engine"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the cache is too small for this order
            assert_same(epoch(found), epoch(expected))


def test_a_server_that_is_gone_is_no_bad_sample(
    sharded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is skipped are samples, not an epoch without a network."""
    pytest.importorskip("aiohttp")
    monkeypatch.setattr("fastload.store.remote_files._FIRST_WAIT_SECONDS", 0.0)
    with http_folder(sharded) as served:
        dataset = LMDBDataset(served.url, STILL, cache_dir=tmp_path)
        loader = DataLoader(dataset, 4, num_workers=2, on_error="skip")
        served.fault = lambda name, number: 503
        with pytest.raises(StoreError, match="cannot be fetched"):
            list(loader)
        served.fault = lambda name, number: None
        assert sum(len(targets) for _, targets in loader) == 24
        assert not loader.errors


def test_a_shuffle_by_shards_has_the_next_ones_fetched(sharded: Path, tmp_path: Path) -> None:
    pytest.importorskip("aiohttp")
    columns = (sharded / "columns.lmdb").stat().st_size
    largest = max(path.stat().st_size for path in sharded.glob("shard-*"))
    with http_folder(sharded) as served:
        dataset = LMDBDataset(
            served.url, STILL, cache_dir=tmp_path, cache_bytes=columns + 3 * largest
        )
        sampler = ShardShuffle(dataset, shards_at_once=1, seed=3)
        loader = DataLoader(dataset, 4, sampler=sampler, num_workers=2)
        for _ in range(2):
            assert sum(len(targets) for _, targets in loader) == 24
        shards = [name for name in served.fetched if name.startswith("shard")]
        assert len(shards) <= 12  # once an epoch, and what the look ahead put out too soon
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= columns + 3 * largest


def test_forked_worker_processes_share_the_cache(
    sharded: Path, photo_store: Path, tmp_path: Path
) -> None:
    pytest.importorskip("aiohttp")
    with http_folder(sharded) as served:
        dataset = LMDBDataset(served.url, halved, cache_dir=tmp_path, cache_bytes=1 << 30)
        dataset[0]  # what is open here is not in the workers' way
        loader = DataLoader(dataset, None, num_workers=2, multiprocessing_context="fork")
        assert loader.plan().path == "workers"
        for found, expected in zip(loader, LMDBDataset(photo_store, halved), strict=True):
            assert_same(found[0], expected[0])
        assert max(served.fetched.count(name) for name in served.fetched if "shard" in name) == 1
