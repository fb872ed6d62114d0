"""What fastload keeps in a checkpoint beside the state: step, metrics and checksums of all bytes.

Note [coverage]: a torch file ends with the archive's record "fastload.json", the directory, and a
comment of 32 bytes, the trailer. The record's blocks cover every byte before the record's own
local header; the trailer's checksum covers every byte from there to itself; and its last field
covers the trailer. A safetensors file has no room behind its tensors: there the record stands in
the header's metadata, its blocks cover the tensors, and a checksum of its own covers the header.

trailer, little-endian: 8s b"FLCKPT01" | u64 offset where the tail begins | u64 XXH3_64 of the tail
up to the trailer | u64 XXH3_64 of the 24 bytes before
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from struct import Struct
from typing import Any

from fastload import _core
from fastload.errors import CheckpointDamagedError
from fastload.version import __version__

RECORD_NAME = "fastload.json"
RECORD_VERSION = 1
MAGIC = b"FLCKPT01"
_TRAILER = Struct("<8sQQQ")
TRAILER_BYTES = _TRAILER.size
#: No record is longer: 100 GB in blocks of 4 MiB need 1 MB.
MOST_RECORD_BYTES = 256 << 20


@dataclass(frozen=True, slots=True)
class Record:
    """What a file says of itself.

    Attributes:
        step: as given to ``save``.
        sequence: counts the saves into a folder; the highest is the newest, whatever its step.
        metrics: as given to ``save``.
        saved_at: date and time of the snapshot, ISO 8601 with zone.
        blocks: (length, XXH3_64) of the covered bytes, in order.
    """

    step: int
    sequence: int
    metrics: Mapping[str, float]
    saved_at: str
    blocks: Sequence[tuple[int, int]]


def make_info(step: int, sequence: int, metrics: Mapping[str, float]) -> dict[str, Any]:
    """The part of a record that is known before the file is written."""
    return {
        "step": step,
        "sequence": sequence,
        "metrics": dict(metrics),
        "saved_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
    }


def encode_record(info: Mapping[str, Any], blocks: Sequence[tuple[int, int]]) -> bytes:
    """A record as ASCII JSON."""
    content = {
        "version": RECORD_VERSION,
        "created_by": f"fastload {__version__}",
        **info,
        "blocks": [[length, f"{checksum:016x}"] for length, checksum in blocks],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def decode_record(data: bytes) -> Record:
    """The record of some JSON.

    Raises:
        CheckpointDamagedError: it is not such a record, or of a newer version.
    """
    try:
        content = json.loads(data)
        if content["version"] != RECORD_VERSION:
            raise ValueError(f"version {content['version']!r}, expected {RECORD_VERSION}")
        return Record(
            step=int(content["step"]),
            sequence=int(content["sequence"]),
            metrics={str(key): float(value) for key, value in content["metrics"].items()},
            saved_at=str(content["saved_at"]),
            blocks=[(int(length), int(checksum, 16)) for length, checksum in content["blocks"]],
        )
    except (
        ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError
    ) as error:  # fmt: skip
        raise CheckpointDamagedError(f"its record cannot be read: {error!r}") from error


def encode_trailer(tail_offset: int, tail: bytes) -> bytes:
    """The 32 bytes at the end of a torch file."""
    head = _TRAILER.pack(MAGIC, tail_offset, _core.xxh3_64(tail), 0)[:-8]
    return head + _core.xxh3_64(head).to_bytes(8, "little")


def decode_trailer(data: bytes) -> tuple[int, int]:
    """(offset of the tail, its checksum).

    Raises:
        CheckpointDamagedError: these are not the last 32 bytes of a checkpoint.
    """
    if len(data) == TRAILER_BYTES:
        magic, offset, checksum, own = _TRAILER.unpack(data)
        if magic == MAGIC and own == _core.xxh3_64(data[:-8]):
            return offset, checksum
    raise CheckpointDamagedError(
        "its last 32 bytes are not those of a checkpoint by fastload: it was cut short, changed, "
        "or written by something else"
    )
