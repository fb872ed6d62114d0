"""A JSON document read piece by piece: of its long lists, one element at a time is in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_json import unique_names

__all__ = ["JsonReader"]

_SPACE = re.compile(r"[ \t\n\r]*")
#: An error so near to the end of what was read may come of a token that is cut there; the longest
#: but strings and numbers is a pair of escapes, "\ud83d\ude00".
_CUT_CHARS = 16


class JsonReader:
    """Reads an object whose members may be lists of any length.

    Memory is taken for a few pieces, and for the largest element of a list or the largest other
    value. NaN and infinities come as floats, as ``load_json_bytes`` gives them.

    Args:
        pieces: the document's bytes, one piece after the other.
    """

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._undecoded = b""
        self._decoded_bytes = 0
        self._is_whole = False
        self._text = ""
        self._at = 0  # the next character of it
        self._lines = 0  # that end before it
        self._marked, self._marked_bytes = 0, 0  # a character of it, and its place in the document
        self._began = 0  # where the last value did, in the document
        self._value_at = json.JSONDecoder(object_pairs_hook=unique_names).raw_decode

    def members(self) -> Iterator[str]:
        """The names of the document's object.

        The value of each is to be read, by one of the methods below, before the next is asked for.

        Raises:
            LabelError: the document is no JSON, with the line; or no object; or has a name twice.
        """
        if self._next() != "{":
            value = self.value()
            self._end()
            raise LabelError(f"expected an object, found {shown(value)}")
        self._at += 1
        seen: set[str] = set()
        is_last = self._next() == "}"
        self._at += is_last
        while not is_last:
            if self._next() != '"':
                raise self._error("Expecting property name enclosed in double quotes", self._at)
            name = self._scan()
            if name in seen:
                raise LabelError(f"the name {shown(name)} stands twice in an object")
            seen.add(name)
            if self._next() != ":":
                raise self._error("Expecting ':' delimiter", self._at)
            self._at += 1
            yield name
            is_last = self._is_last("}")
        self._end()

    def is_list(self) -> bool:
        """Whether the value that comes next is a list."""
        return self._next() == "["

    def elements(self) -> Iterator[tuple[Any, int, int]]:
        """The elements of the list that comes next: (value, offset in bytes, size in bytes)."""
        self._next()
        self._at += 1
        is_last = self._next() == "]"
        self._at += is_last
        while not is_last:
            self._next()
            value = self._scan()
            yield value, self._began, self._offset(self._at) - self._began
            is_last = self._is_last("]")

    def value(self) -> Any:
        """The value that comes next."""
        self._next()
        return self._scan()

    def skip(self) -> None:
        """Read the value that comes next for nothing but its errors."""
        if self.is_list():
            for _ in self.elements():
                pass
        else:
            self.value()

    def _is_last(self, bracket: str) -> bool:
        """Go past a comma, or past the bracket that ends it all."""
        char = self._next()
        if char not in (",", bracket):
            raise self._error("Expecting ',' delimiter", self._at)
        self._at += 1
        return char == bracket

    def _end(self) -> None:
        if self._next():
            raise self._error("Extra data", self._at)

    def _next(self) -> str:
        """The next character that is no space, which is not gone past; "" at the end."""
        while True:
            found = _SPACE.match(self._text, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _scan(self) -> Any:
        """The value that begins here."""
        self._began = self._offset(self._at)
        while True:
            try:
                value, end = self._value_at(self._text, self._at)
            except json.JSONDecodeError as error:
                message, place = error.msg, error.pos
            except (RecursionError, ValueError) as error:
                raise LabelError(f"no valid JSON: {error}"[:200]) from None
            else:
                # A number near the end of the text may go on behind it.
                has_end = isinstance(value, (dict, list, str)) or end + _CUT_CHARS < len(self._text)
                if has_end or not self._more():
                    self._at = end
                    return value
                continue
            may_be_cut = place + _CUT_CHARS > len(self._text) or message.startswith("Unterminated")
            if not (may_be_cut and self._more()):
                raise self._error(message, place)

    def _more(self) -> bool:
        """Let go of the text before the next character, and at least double the rest."""
        if self._is_whole:
            return False
        self._offset(self._at)
        self._lines += self._text.count("\n", 0, self._at)
        parts = [self._text[self._at :]]
        wanted = 2 * len(parts[0]) + 1
        while sum(map(len, parts)) < wanted and not self._is_whole:
            piece = next(self._pieces, None)
            self._is_whole = piece is None
            parts.append(self._decode(piece or b""))
        self._text = "".join(parts)
        self._at = self._marked = 0
        return True

    def _decode(self, piece: bytes) -> str:
        data = self._undecoded + piece
        try:
            text, count = codecs.utf_8_decode(data, "strict", self._is_whole)
        except UnicodeDecodeError as error:
            place = self._decoded_bytes + error.start
            raise LabelError(f"expected UTF-8, found {error.reason} at byte {place}") from None
        if not self._decoded_bytes and text.startswith("\ufeff"):
            text = text[1:]
            self._marked_bytes = len(codecs.BOM_UTF8)
        self._undecoded = data[count:]
        self._decoded_bytes += count
        return text

    def _offset(self, place: int) -> int:
        """A character's place in the document, in bytes; asked for in their order."""
        passed = self._text[self._marked : place]
        self._marked_bytes += len(passed) if passed.isascii() else len(passed.encode())
        self._marked = place
        return self._marked_bytes

    def _error(self, message: str, place: int) -> LabelError:
        line = self._lines + self._text.count("\n", 0, place) + 1
        return LabelError(f"no valid JSON: {message}", line)
