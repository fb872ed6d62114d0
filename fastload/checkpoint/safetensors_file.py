"""The safetensors format: a length, a JSON header, and the tensors' bytes without holes.

Written here rather than by the library, which would need the GIL for the whole file; read by the
library. fastload's record stands in the header's ``__metadata__``, which is a map of strings.
"""

from __future__ import annotations

import json
from typing import Any

from fastload import _core
from fastload.checkpoint.plan import FilePlan
from fastload.checkpoint.record import RECORD_NAME, encode_record
from fastload.checkpoint.sink import Sink

HEADER_CHECKSUM = "fastload.header_xxh3"
_BLANK = "0" * 16


def write_safetensors_file(plan: FilePlan, sink: Sink) -> None:
    """Write a resolved plan: first one pass over the tensors for their checksums."""
    count = Sink(lambda _: None)
    for entry in plan.entries:
        count.add(entry.view)
    count.flush()
    header: dict[str, Any] = {
        "__metadata__": {
            "format": "pt",
            RECORD_NAME: encode_record(plan.info, count.blocks).decode(),
            HEADER_CHECKSUM: _BLANK,
        }
    }
    offset = 0
    for entry in plan.entries:
        header[entry.name] = {
            "dtype": entry.dtype,
            "shape": list(entry.shape),
            "data_offsets": [offset, offset + entry.size_bytes],
        }
        offset += entry.size_bytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    checksum = f"{_core.xxh3_64(encoded):016x}"
    encoded = fill_checksum(encoded, _BLANK, checksum)
    sink.add(len(encoded).to_bytes(8, "little") + encoded)
    sink.flush()
    for entry in plan.entries:
        sink.add(entry.view)
    sink.flush()


def fill_checksum(header: bytes, old: str, new: str) -> bytes:
    """The header with another value of its own checksum; only the first place counts."""
    key = f'"{HEADER_CHECKSUM}":'
    return header.replace(f'{key}"{old}"'.encode(), f'{key}"{new}"'.encode(), 1)
