"""JSON from a data set: no name twice in an object, and errors that say where."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fastload.convert.labelled import LabelError, shown

__all__ = ["load_json_bytes"]


def load_json_bytes(
    data: bytes, change: Callable[[dict[str, Any]], dict[str, Any]] | None = None
) -> Any:
    """What a JSON text holds; NaN and infinities come as floats, for the caller to refuse.

    ``change`` makes what is kept of each object as it is read, those within before those around.

    Raises:
        LabelError: no JSON, with the line; or a name that stands twice.
    """
    try:
        return json.loads(
            data.decode("utf-8-sig"),
            object_pairs_hook=_unique if change is None else lambda pairs: change(_unique(pairs)),
        )
    except UnicodeDecodeError as error:
        raise LabelError(f"expected UTF-8, found {error.reason} at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise LabelError(f"no valid JSON: {error.msg}", error.lineno) from None
    except (RecursionError, ValueError) as error:
        raise LabelError(f"no valid JSON: {error}"[:200]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for place, name in enumerate(names) if name in names[:place])
        raise LabelError(f"the name {shown(twice)} stands twice in an object")
    return fields
