"""JSON from a data set: no name twice in an object, and errors that say where."""

from __future__ import annotations

import json
from typing import Any

from fastload.convert.labelled import LabelError, shown

__all__ = ["load_json_bytes", "unique_names"]


def load_json_bytes(data: bytes) -> Any:
    """What a JSON text holds; NaN and infinities come as floats, for the caller to refuse.

    Raises:
        LabelError: no JSON, with the line; or a name that stands twice.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_names)
    except UnicodeDecodeError as error:
        raise LabelError(f"expected UTF-8, found {error.reason} at byte {error.start}") from None
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
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise LabelError(f"the name {shown(twice)} stands twice in an object")
    return fields
