"""The files of a sharded store, compared with its manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fastload.convert.findings import Finding, Severity
from fastload.store import Store
from fastload.store.manifest import file_sha256
from fastload.store.shards import ShardedStore

__all__ = ["changed_files"]


def changed_files(store: Store) -> Iterator[Finding]:
    """A problem for each file that is not, byte for byte, what the manifest says.

    Those of a remote store were compared when they were fetched.
    """
    if not isinstance(store, ShardedStore) or store.folder.is_remote:
        return
    for file in (store.manifest.columns, *store.manifest.shards):
        try:
            found = file_sha256(Path(store.location) / file.name)
        except OSError as error:
            yield Finding(file.name, Severity.PROBLEM, "shard", str(error))
            continue
        if found != file.sha256:
            detail = f"expected the SHA-256 {file.sha256}, as the manifest says, found {found}"
            yield Finding(file.name, Severity.PROBLEM, "shard", detail)
