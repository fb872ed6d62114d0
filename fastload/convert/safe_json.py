"""JSON from a data set: no name twice in an object, and errors that say where."""

from __future__ import annotations

import json
from typing import Any

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_text import utf8_text

__all__ = ["load_json_bytes", "unique_names"]


def load_json_bytes(data: bytes) -> Any:
    """What a JSON text holds; NaN and infinities come as floats, for the caller to refuse.

    Raises:
        LabelError: no JSON, with the line; or a name that stands twice.
    """
    try:
        return json.loads(utf8_text(data), object_pairs_hook=unique_names)
    except json.JSONDecodeError as error:
        raise LabelError(f"no valid JSON: {error.msg}", error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise LabelError(f"no valid JSON: {error}"[:200]) from None


def unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of these members.

    Raises:
        LabelError: a name stands twice.
    """
    fields = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    seen: set[str] = set()
    for name, _value in pairs:
        if name in seen:
            break
        seen.add(name)
    raise LabelError(f"the name {shown(name)} stands twice in an object")
