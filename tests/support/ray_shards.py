"""Packing on Ray, whose worker is killed, once; a program, since Ray may end its process."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from fastload.convert import job, pack, ray_engine
from fastload.convert.findings import Finding
from fastload.convert.ray_engine import pack_share
from fastload.convert.shard_job import MadeShard
from fastload.convert.shares import Sharding, Share
from fastload.errors import ResumeError
from fastload.store import StoreWriter
from fastload.store.manifest import parse_manifest
from support.trees import write_photo


def pack_share_killed_once(order: Any, share: Share) -> tuple[MadeShard, list[Finding]]:
    """The second shard's first worker dies in the middle, behind a commit."""
    mark = order.folder.parent / "killed"
    if share.number == 1 and not mark.exists():
        mark.touch()
        commit = StoreWriter.commit

        def die(writer: StoreWriter, position: int) -> None:
            commit(writer, position)
            os.kill(os.getpid(), signal.SIGKILL)

        StoreWriter.commit = die  # type: ignore[method-assign]
        job.GROUP_SECONDS = 0.0
    return pack_share(order, share)


def main(root: Path) -> None:
    """Pack ``src`` of a folder into ``set``; again, with a photo changed; update. Prints JSON."""
    import ray

    source, sharding = root / "src", Sharding(shards=3, deal=True)
    ray_engine.pack_share = pack_share_killed_once
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    found: list[Finding] = []
    how = {"sharding": sharding, "engine": "ray", "dedupe": "exact"}
    summary = pack(source, root / "set", on_finding=found.append, **how)  # type: ignore[arg-type]
    (source / "class_0" / "photo_000.jpg").touch()
    refused = ""
    (root / "set").rename(root / "again.partial")
    manifest = root / "again.partial" / "manifest.json"
    text = manifest.read_bytes()
    manifest.unlink()
    try:
        pack(source, root / "again", **how)  # type: ignore[arg-type]
    except ResumeError as error:  # what a task refuses comes out as what it is
        refused = str(error)
    manifest.write_bytes(text)
    (root / "again.partial").rename(root / "set")
    (source / "class_1" / "again.jpg").write_bytes(
        (source / "class_0" / "photo_000.jpg").read_bytes()
    )
    write_photo(source / "class_1" / "photo_003.jpg", seed=70)
    updated = pack(source, root / "set", update=True, dedupe="exact", engine="ray")
    pack(source, root / "one.lmdb", dedupe="exact")
    assert updated.changes is not None
    result = {
        "changes": updated.changes.as_json(),
        "kept": updated.kept_shards,
        "content": parse_manifest(text, "").content_hash,
        "photos": summary.contents.photos,
        "findings": [finding.name for finding in found],
        "refused": refused,
        "left": ray.is_initialized(),
    }
    ray.shutdown()
    print(json.dumps(result))
