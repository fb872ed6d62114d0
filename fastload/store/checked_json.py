"""JSON that comes from a file which may be damaged or hostile."""

from __future__ import annotations

import json
from typing import Any

from fastload.errors import StoreFormatError

__all__ = ["dump_json", "load_json"]


def dump_json(value: dict[str, Any]) -> bytes:
    """Compact ASCII JSON; lone surrogates (undecodable file names) become escapes."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def load_json(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in ``data``.

    Raises:
        StoreFormatError: no JSON object; or one with a name twice, NaN, an infinity, or nested
            deeper than Python can follow.
    """
    try:
        value = json.loads(data, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StoreFormatError(f"{where}: expected a JSON object ({error})") from error
    if not isinstance(value, dict):
        raise StoreFormatError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a name stands twice")
    return fields


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is no JSON")
