"""``pack_shards``: ``pack`` into a folder of shards that opens as one store."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastload.convert.findings import Finding
from fastload.convert.options import PackOptions
from fastload.convert.packer import pack
from fastload.convert.progress import Progress
from fastload.convert.shares import Sharding
from fastload.convert.summary import Summary

__all__ = ["pack_shards"]

AnyPath = str | os.PathLike[str]


def pack_shards(
    source: AnyPath,
    destination: AnyPath,
    sharding: Sharding,
    options: PackOptions | None = None,
    *,
    engine: str = "local",
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> Summary:
    """``pack(source, destination, options, sharding=sharding, ...)``, which says the rest."""
    return pack(
        source, destination, options, sharding=sharding, engine=engine, progress=progress,
        on_finding=on_finding,
    )  # fmt: skip
