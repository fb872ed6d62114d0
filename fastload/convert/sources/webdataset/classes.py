"""The class of a sample, as its ``.cls`` or ``.json`` says it."""

from __future__ import annotations

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_json import load_json_bytes
from fastload.convert.sources.class_column import class_value

__all__ = ["CLASS_ENDINGS", "MAX_CLASS_BYTES", "class_of"]

#: Where the class is looked for, the surest first.
CLASS_ENDINGS = ("cls", "json")
#: Larger members are not looked into.
MAX_CLASS_BYTES = 1 << 20
_KEYS = ("label", "cls", "class", "class_id", "category", "target")


def class_of(ending: str, data: bytes) -> int | str | None:
    """The class that a member states, or None where it states none.

    Args:
        ending: of ``CLASS_ENDINGS``.
        data: its bytes.

    Raises:
        LabelError: it cannot be read.
    """
    if ending == "cls":
        try:
            text = data.decode("utf-8").strip()
        except UnicodeDecodeError:
            raise LabelError(f"expected a class, found {shown(data)}") from None
        found = class_value(text)
        if found is None and text != "-1":
            raise LabelError(f"expected a class, found {shown(text)}")
        return found
    values = load_json_bytes(data)
    if not isinstance(values, dict):
        return None
    return next((class_value(values[key]) for key in _KEYS if values.get(key) is not None), None)
