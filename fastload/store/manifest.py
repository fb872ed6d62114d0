"""The manifest of a sharded store: which files it consists of, and what each must be."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from fastload.disk import replace_file
from fastload.errors import StoreFormatError
from fastload.store.checked_json import load_json

__all__ = [
    "MANIFEST_NAME",
    "MAX_MANIFEST_BYTES",
    "Manifest",
    "ManifestFile",
    "Shard",
    "file_sha256",
    "parse_manifest",
    "write_manifest",
]

MANIFEST_NAME = "manifest.json"
MAX_MANIFEST_BYTES = 64 << 20

_FORMAT = "fastload-shards"
_VERSION = 1
_MAX_SHARDS = 1 << 20
_MAX_COUNT = 1 << 48
_READ_BYTES = 1 << 20
#: A file directly in the folder, and none that hides or leads elsewhere.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HASH128 = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One file of a sharded store.

    Attributes:
        name: directly in the folder.
        bytes: its size.
        sha256: of its bytes, 64 hex digits, as the tool ``sha256sum`` prints it.
    """

    name: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Shard(ManifestFile):
    """One shard: a store by itself.

    Attributes:
        samples: in it.
        store_id: its header's.
        content_hash: what ``fastload verify`` says of it.
    """

    samples: int
    store_id: str
    content_hash: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a sharded store consists of.

    Attributes:
        store_id: 32 hex digits; those of the header in ``columns``.
        samples: in all shards together.
        content_hash: of all shards' content, in their order; equal for equal ones.
        class_names: as in the header.
        split_names: likewise.
        columns: a store of all columns and no records; what must be there to open the set.
        shards: in their order; column ``shard`` counts in them.
    """

    store_id: str
    samples: int
    content_hash: str
    class_names: tuple[str, ...]
    split_names: tuple[str, ...]
    columns: ManifestFile
    shards: tuple[Shard, ...]

    @property
    def shard_bytes(self) -> int:
        """Of all shards together."""
        return sum(shard.bytes for shard in self.shards)

    def to_json(self) -> bytes:
        """What ``parse_manifest`` reads."""
        values = {"format": _FORMAT, "version": _VERSION, **asdict(self)}
        return json.dumps(values, indent=1, allow_nan=False).encode("ascii") + b"\n"


def parse_manifest(data: bytes, where: str) -> Manifest:
    """A manifest, checked: it may come from anywhere.

    Raises:
        StoreFormatError: no manifest, of another version, or with values that cannot be.
    """
    values = load_json(data, where)
    found = values.pop("format", None), values.pop("version", None)
    if found != (_FORMAT, _VERSION):
        raise StoreFormatError(
            f"{where}: expected format {_FORMAT!r}, version {_VERSION}, found {found[0]!r:.80}, "
            f"{found[1]!r:.80}; read it with the release of fastload that wrote it"
        )
    try:
        members = _members(values, Manifest)
        members["columns"] = ManifestFile(**_members(members["columns"], ManifestFile))
        if len(members["shards"]) > _MAX_SHARDS:
            raise ValueError(f"{len(members['shards'])} shards")
        members["shards"] = tuple(Shard(**_members(one, Shard)) for one in members["shards"])
        manifest = Manifest(**members)
    except (ValueError, TypeError) as error:
        raise StoreFormatError(f"{where}: {error}"[:500]) from error
    names = [manifest.columns.name, *(shard.name for shard in manifest.shards)]
    if len(set(names)) != len(names):
        raise StoreFormatError(f"{where}: a file is named twice")
    total = sum(shard.samples for shard in manifest.shards)
    if total != manifest.samples:
        raise StoreFormatError(
            f"{where}: expected {manifest.samples} samples in its shards, found {total}"
        )
    return manifest


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a folder of shards a store: the last step, and one that is done or not done.

    Raises:
        OSError: it cannot be written.
    """
    replace_file(folder / MANIFEST_NAME, manifest.to_json())


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file, in hex."""
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while part := file.read(_READ_BYTES):
            digest.update(part)
    return digest.hexdigest()


def _members(value: object, kind: type[Any]) -> dict[str, Any]:
    names = [member.name for member in fields(kind)]
    if not isinstance(value, dict) or sorted(value) != sorted(names):
        raise ValueError(f"expected an object with {', '.join(names)}, found {value!r:.80}")
    for name, member in value.items():
        if not _FITS[name](member):
            raise ValueError(f"{name}: found {member!r:.80}")
    return {name: tuple(one) if isinstance(one, list) else one for name, one in value.items()}


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _matches(pattern: re.Pattern[str]) -> Any:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


#: How each member is checked; members of one name are of one kind.
_FITS: dict[str, Any] = {
    "name": _matches(_NAME),
    "bytes": _is_count,
    "sha256": _matches(_SHA256),
    "samples": _is_count,
    "store_id": _matches(_HASH128),
    "content_hash": _matches(_HASH128),
    "class_names": _are_names,
    "split_names": _are_names,
    "columns": lambda value: isinstance(value, dict),
    "shards": lambda value: isinstance(value, list),
}
