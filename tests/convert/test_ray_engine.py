"""Shards packed by Ray: those of the local engine, also where a worker is killed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from fastload.convert import Finding, PackOptions
from fastload.convert.shard_packer import pack_shards
from fastload.convert.shares import Sharding
from fastload.errors import MissingLibraryError, ResumeError
from fastload.store import Store
from fastload.store.manifest import parse_manifest
from support.trees import content_hash, image_folder, write_photo


@pytest.mark.slow
def test_ray_makes_the_same_shards_whatever_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One test, since starting Ray takes longer than all that it does here."""
    ray = pytest.importorskip("ray")
    from support.ray_shards import pack_share_killed_once

    source = image_folder(tmp_path / "src", classes=2, photos=5)
    (source / "class_0" / "bad.jpg").write_bytes(b"no photo")
    sharding, options = Sharding(shards=3, deal=True), PackOptions()
    pack_shards(source, tmp_path / "local", sharding, options)
    monkeypatch.setattr("fastload.convert.ray_engine.pack_share", pack_share_killed_once)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))  # for support, in workers
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        found: list[Finding] = []
        summary = pack_shards(
            source, tmp_path / "set", sharding, options, engine="ray", on_finding=found.append
        )
        assert (tmp_path / "killed").exists()
        assert summary.contents.photos == 10
        assert [finding.name for finding in found] == ["class_0/bad.jpg"]
        assert content_hash(tmp_path / "set") == content_hash(tmp_path / "local")
        hashes = [
            parse_manifest((tmp_path / name / "manifest.json").read_bytes(), "").content_hash
            for name in ("set", "local")
        ]
        assert hashes[0] == hashes[1]
        # What a task refuses comes out as what it is.
        (tmp_path / "set").rename(tmp_path / "set.partial")
        write_photo(source / "class_0" / "photo_000.jpg", seed=99)
        with pytest.raises(ResumeError, match="has changed"):
            pack_shards(source, tmp_path / "set", sharding, options, engine="ray")
        assert ray.is_initialized()
    finally:
        ray.shutdown()


def test_without_ray_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = image_folder(tmp_path / "src", classes=1, photos=2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'fastload\[ray\]'"):
        pack_shards(source, tmp_path / "set", Sharding(shards=2), engine="ray")
    pack_shards(source, tmp_path / "set", Sharding(shards=2))
    assert len(Store(tmp_path / "set")) == 2
