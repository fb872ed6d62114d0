"""Text from a data set: UTF-8, or an error that says where it is not."""

from __future__ import annotations

from fastload.convert.labelled import LabelError

__all__ = ["utf8_text"]


def utf8_text(data: bytes, *, byte_order_mark: bool = True) -> str:
    """The text; a byte-order mark is dropped, unless it is to be kept as a character.

    Raises:
        LabelError: it is no UTF-8; with the line.
    """
    try:
        return data.decode("utf-8-sig" if byte_order_mark else "utf-8")
    except UnicodeDecodeError as error:
        # The position counts behind a byte-order mark, as what was decoded does.
        line = error.object[: error.start].count(b"\n") + 1
        what = f"expected UTF-8, found {error.reason} at byte {error.start}"
        raise LabelError(what, line) from None
