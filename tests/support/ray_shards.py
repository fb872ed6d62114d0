"""A task of packing whose worker is killed, once."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from fastload.convert import job
from fastload.convert.findings import Finding
from fastload.convert.options import PackOptions
from fastload.convert.ray_engine import pack_share
from fastload.convert.shard_job import MadeShard
from fastload.convert.shares import Share
from fastload.store import StoreWriter


def pack_share_killed_once(
    source: str, folder: str, share: Share, options: PackOptions, run: str
) -> tuple[MadeShard, list[Finding]]:
    """The second shard's first worker dies in the middle, behind a commit."""
    mark = Path(folder).parent / "killed"
    if share.number == 1 and not mark.exists():
        mark.touch()
        commit = StoreWriter.commit

        def die(writer: StoreWriter, position: int) -> None:
            commit(writer, position)
            os.kill(os.getpid(), signal.SIGKILL)

        StoreWriter.commit = die  # type: ignore[method-assign]
        job.GROUP_SECONDS = 0.0
    return pack_share(source, folder, share, options, run)
