"""Remote shards: brought when needed, checked, kept in bounds, and fetched again if need be."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
pytest.importorskip("tenacity")

from fastload.convert import Sharding, pack
from fastload.errors import NoSpaceError, StoreError, StoreFormatError
from fastload.store import Store
from fastload.store.manifest import Manifest, parse_manifest
from fastload.store.shards import ShardedStore
from support.http_folder import CUT, WHOLE, HttpFolder, http_folder
from support.trees import image_folder

SHARDS = 4


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("remote")
    image_folder(root / "src", classes=2, photos=6)
    pack(root / "src", root / "set", sharding=Sharding(shards=SHARDS), workers=2)
    return root / "set"


@pytest.fixture(scope="module")
def manifest(packed: Path) -> Manifest:
    return parse_manifest((packed / "manifest.json").read_bytes(), "")


@pytest.fixture
def served(packed: Path, tmp_path: Path) -> Iterator[HttpFolder]:
    shutil.copytree(packed, tmp_path / "set")
    with http_folder(tmp_path / "set") as folder:
        yield folder


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastload.store.remote_files._FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr("fastload.store.remote_files._LONGEST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr("fastload.store.shard_cache._PATIENCE_SECONDS", 0.0)


def opened(served: HttpFolder, cache: Path, cache_bytes: int = 1 << 30) -> ShardedStore:
    store = Store(served.url, cache_dir=cache, cache_bytes=cache_bytes)
    assert isinstance(store, ShardedStore)
    return store


def room_for(manifest: Manifest, shards: int) -> int:
    return manifest.columns.bytes + shards * max(shard.bytes for shard in manifest.shards)


def assert_reads_all(store: Store, packed: Path) -> None:
    with Store(packed) as local:
        for index in range(len(local)):
            assert store.record_bytes(index) == local.record_bytes(index)


def test_columns_are_there_without_any_shard(served: HttpFolder, cache: Path, packed: Path) -> None:
    with opened(served, cache) as store, Store(packed) as local:
        assert len(store) == 12
        assert list(store.names) == list(local.names)
        assert np.array_equal(store.column("class_id"), local.column("class_id"))
        assert set(served.fetched) == {"manifest.json", "columns.lmdb"}
        assert store.location == served.url


def test_all_is_read_once_and_found_again(
    served: HttpFolder, cache: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.store.remote_files._RANGE_BYTES", 5000)
    with opened(served, cache) as store:
        assert_reads_all(store, packed)
    del store
    served.fetched.clear()
    with opened(served, cache) as store:
        assert_reads_all(store, packed)
    assert set(served.fetched) == {"manifest.json"}
    assert sorted(path.suffix for path in cache.iterdir()) == ["", *[".lmdb"] * (SHARDS + 1)]


def test_the_cache_stays_in_its_bounds(
    served: HttpFolder, cache: Path, packed: Path, manifest: Manifest
) -> None:
    limit = room_for(manifest, 2)
    with opened(served, cache, limit) as store:
        for index in range(len(store)):
            store.record_bytes(index)
            store._look_ahead.wait()
            assert sum(path.stat().st_size for path in cache.iterdir()) <= limit
    for name in [shard.name for shard in manifest.shards]:
        assert served.fetched.count(name) == 1  # in order: the next is there before it is needed


def test_who_reads_in_order_finds_the_next_shard_there(served: HttpFolder, cache: Path) -> None:
    with opened(served, cache) as store:
        store.record_bytes(0)
        store._look_ahead.wait()
        assert served.fetched[-1] == "shard-00001.lmdb"


def test_what_is_open_elsewhere_is_never_put_out(
    served: HttpFolder, cache: Path, manifest: Manifest
) -> None:
    with opened(served, cache, room_for(manifest, 1)) as store:
        store.record_bytes(0)
        store._look_ahead.wait()
        held = cache / f"{manifest.shards[0].sha256}.lmdb"
        with open(held, "rb") as file:  # a descriptor of its own, as another process has
            fcntl.flock(file, fcntl.LOCK_SH)
            with pytest.raises(StoreError, match="cache_bytes"):
                store.record_bytes(11)
            assert held.exists()
        store.record_bytes(11)
        assert not held.exists()


def test_a_cache_that_is_too_small_for_one_shard_says_so(
    served: HttpFolder, cache: Path, manifest: Manifest
) -> None:
    store = opened(served, cache, manifest.columns.bytes + 5000)
    with pytest.raises(StoreError, match="no room"):
        store.record_bytes(0)


@pytest.mark.parametrize("fault", [503, 429, CUT])
def test_what_passes_is_tried_again(
    served: HttpFolder, cache: Path, packed: Path, fault: object
) -> None:
    served.fault = lambda name, number: fault if number in (1, 2) else None
    with opened(served, cache) as store:
        assert_reads_all(store, packed)


@pytest.mark.parametrize(("fault", "message"), [(503, "cannot be fetched"), (404, "shard-00003")])
def test_what_does_not_pass_is_said(
    served: HttpFolder, cache: Path, packed: Path, fault: int, message: str
) -> None:
    with opened(served, cache) as store:
        store.record_bytes(0)
        store._look_ahead.wait()
        served.fault = lambda name, number: fault
        with pytest.raises((StoreError, FileNotFoundError), match=message):
            store.record_bytes(11)
        assert not list(cache.glob("*.partial"))
        served.fault = lambda name, number: None
        assert_reads_all(store, packed)


def test_a_server_that_goes_away_is_said_and_comes_back(
    packed: Path, cache: Path, manifest: Manifest
) -> None:
    with http_folder(packed) as served:
        port = int(served.url.split(":")[2].split("/")[0])
        store = opened(served, cache)
        store.record_bytes(0)
        store._look_ahead.wait()
    with pytest.raises(StoreError, match=r"shard-00003\.lmdb: cannot be fetched"):
        store.record_bytes(11)
    with http_folder(packed, port):
        assert_reads_all(store, packed)


def test_another_file_than_the_manifest_names_is_refused(
    served: HttpFolder, cache: Path, manifest: Manifest
) -> None:
    path = served.folder / "shard-00000.lmdb"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with opened(served, cache) as store, pytest.raises(StoreFormatError, match="SHA-256"):
        store.record_bytes(0)
    assert not list(cache.glob(f"{manifest.shards[0].sha256}*"))


def test_a_server_without_ranges_is_named(
    served: HttpFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.fault = lambda name, number: WHOLE
    monkeypatch.setattr("fastload.store.remote_files._RANGE_BYTES", 5000)
    with pytest.raises(StoreError, match="ranges of bytes"):
        opened(served, cache)


def test_a_manifest_that_says_less_than_there_is_gets_nothing_opened(
    served: HttpFolder, cache: Path
) -> None:
    values = json.loads((served.folder / "manifest.json").read_bytes())
    values["shards"][0]["bytes"] -= 4096
    (served.folder / "manifest.json").write_text(json.dumps(values))
    with opened(served, cache) as store, pytest.raises(StoreFormatError, match="SHA-256"):
        store.record_bytes(0)


def test_a_damaged_copy_is_fetched_again(
    served: HttpFolder, cache: Path, packed: Path, manifest: Manifest
) -> None:
    for damage in ("record", "length"):
        with opened(served, cache) as store:
            assert_reads_all(store, packed)
        copy = cache / f"{manifest.shards[1].sha256}.lmdb"
        data = bytearray(copy.read_bytes())
        with Store(packed / "shard-00001.lmdb") as shard:
            at = int(shard.column("file_offset")[1] + shard.column("length")[1] // 2)
        if damage == "length":
            del data[-4096:]
        else:
            data[at] ^= 0xFF
        copy.write_bytes(data)
        with opened(served, cache) as store:
            assert_reads_all(store, packed)
        assert copy.read_bytes() == (packed / "shard-00001.lmdb").read_bytes()


def test_who_waits_for_a_fetch_does_not_wait_for_its_readers(
    served: HttpFolder, cache: Path, packed: Path, manifest: Manifest
) -> None:
    """What another process fetches is locked under its partial name, and then as it is read."""
    first = manifest.shards[0]
    partial = cache / f"{first.sha256}.partial"
    store = opened(served, cache)
    with ThreadPoolExecutor(1) as pool, open(partial, "wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        read = pool.submit(store.record_bytes, 0)
        with pytest.raises(FutureTimeoutError):
            read.result(0.1)
        other.write((packed / first.name).read_bytes())
        other.flush()
        partial.rename(cache / f"{first.sha256}.lmdb")
        fcntl.flock(other, fcntl.LOCK_SH)
        assert read.result(30)
    assert first.name not in served.fetched


def test_a_full_disk_is_said_and_leaves_nothing(
    served: HttpFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with opened(served, cache) as store:
        monkeypatch.setattr(os, "posix_fallocate", full)
        with pytest.raises(NoSpaceError, match="cache_dir"):
            store.record_bytes(0)
        assert not list(cache.glob("*.partial"))


def test_a_partial_file_of_a_killed_process_is_taken_over(
    served: HttpFolder, cache: Path, packed: Path, manifest: Manifest
) -> None:
    cache.mkdir()
    (cache / f"{manifest.shards[0].sha256}.partial").write_bytes(b"x" * 9_000_000)
    with opened(served, cache) as store:
        assert_reads_all(store, packed)
        store._look_ahead.wait()
    assert not list(cache.glob("*.partial"))


def test_an_order_that_the_cache_cannot_follow_is_named_with_numbers(
    served: HttpFolder, cache: Path, manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.store.shards._USED_WELL", 2)
    store = opened(served, cache, room_for(manifest, 1))
    with pytest.warns(UserWarning, match="ShardShuffle"):
        [store.record_bytes(index) for index in (0, 11, 5, 0, 11, 5, 0)]


def test_no_manifest_is_no_store(served: HttpFolder, cache: Path) -> None:
    (served.folder / "manifest.json").unlink()
    with pytest.raises(StoreFormatError, match="no manifest"):
        opened(served, cache)
    with pytest.raises(ImportError, match="fastload\\[remote\\]"):
        Store("nosuchprotocol://x/y", cache_dir=cache)


def test_shards_come_from_s3(packed: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moto = pytest.importorskip("moto.server")
    s3fs = pytest.importorskip("s3fs")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        system = s3fs.S3FileSystem()
        system.mkdir("bucket")
        for path in packed.iterdir():
            system.put(str(path), f"bucket/set/{path.name}")
        with Store("s3://bucket/set/", cache_dir=cache) as store:
            assert_reads_all(store, packed)
        with pytest.raises(StoreFormatError, match="no manifest"):
            Store("s3://bucket/other/", cache_dir=cache)
    finally:
        server.stop()
