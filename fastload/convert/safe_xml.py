"""XML from a data set that may be hostile: elements and text, no document type, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

from fastload.convert.labelled import LabelError, shown

__all__ = ["Element", "load_xml"]

# Entities, which may grow without bound or name other files, need a document type to be declared
# in: expat is stopped where one begins.
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000


@dataclass(slots=True)
class Element:
    """An element without its attributes.

    Attributes:
        name: its tag.
        line: where it begins.
        children: elements directly in it.
        parts: pieces of the text directly in it.
    """

    name: str
    line: int
    children: list[Element] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All text directly in it."""
        return "".join(self.parts)

    def all(self, name: str) -> list[Element]:
        """The children of that name."""
        return [child for child in self.children if child.name == name]

    def one(self, name: str) -> Element | None:
        """The only child of that name, or None.

        Raises:
            LabelError: there are several.
        """
        found = self.all(name)
        if len(found) > 1:
            raise LabelError(f"expected one <{name}>, found {len(found)}", found[1].line)
        return found[0] if found else None


def load_xml(data: bytes) -> Element:
    """The root element.

    Raises:
        LabelError: no well-formed XML, one with a document type, or one too deep or too large; with
            the line.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    stack, count = [top], 0

    def start(name: str, _attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if len(stack) > _MAX_DEPTH or count > _MAX_ELEMENTS:
            raise LabelError(
                f"expected at most {_MAX_ELEMENTS} elements, {_MAX_DEPTH} deep",
                parser.CurrentLineNumber,
            )
        element = Element(name, parser.CurrentLineNumber)
        stack[-1].children.append(element)
        stack.append(element)

    def end(_name: str) -> None:
        stack.pop()

    def text(characters: str) -> None:
        stack[-1].parts.append(characters)

    def refuse(*_arguments: Any) -> None:
        raise LabelError("a document type (<!DOCTYPE>) is not read", parser.CurrentLineNumber)

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(data, True)  # noqa: FBT003 -- it has no name
    except expat.ExpatError as error:
        what = f"no well-formed XML: {expat.ErrorString(error.code)}"
        raise LabelError(what, error.lineno) from None
    except (ValueError, LookupError) as error:  # an encoding that Python does not know
        raise LabelError(f"no well-formed XML: {shown(str(error))}") from None
    return top.children[0]
