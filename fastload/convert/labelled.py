"""The labels of one photo as a source reads them, and what there is to say about them."""

from __future__ import annotations

from dataclasses import dataclass
from reprlib import Repr

from fastload.convert.findings import Finding, Severity
from fastload.store import LabelFile, LabelState, SampleLabels

__all__ = ["MAX_COORDINATE", "LabelError", "Labelled", "PhotoSize", "damaged", "shown"]

#: Pixels. Beyond, numbers are no coordinates, and their sums and products may not be finite.
MAX_COORDINATE = 1 << 31

_REPR = Repr()
_REPR.maxlevel = 2
_REPR.maxstring = _REPR.maxother = 80
# EXIF orientations that turn a picture by a quarter.
_QUARTER_TURNS = frozenset({5, 6, 7, 8})


@dataclass(frozen=True, slots=True)
class PhotoSize:
    """A photo's size as it is stored, and how it is to be turned.

    Attributes:
        height: rows.
        width: columns.
        orientation: EXIF's, 1..8; 0: none.
    """

    height: int
    width: int
    orientation: int = 0

    @property
    def upright(self) -> tuple[int, int]:
        """(height, width) after turning."""
        if self.orientation in _QUARTER_TURNS:
            return self.width, self.height
        return self.height, self.width


@dataclass(frozen=True, slots=True)
class Labelled:
    """What ``Source.label`` gives.

    Attributes:
        labels: for the store.
        findings: about them.
    """

    labels: SampleLabels
    findings: tuple[Finding, ...] = ()


class LabelError(Exception):
    """Labels that cannot be read.

    Attributes:
        line: where in the file, from 1; 0: as a whole.
        detail: what was expected and found.
    """

    def __init__(self, detail: str, line: int = 0) -> None:
        super().__init__(detail, line)
        self.detail = detail
        self.line = line

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}" if self.line else self.detail


def shown(value: object) -> str:
    """A value for a message, on one line: however large or deep it is, looking takes no time."""
    return _REPR.repr(value)[:80]


def damaged(
    name: str, error: LabelError, file: LabelFile | None = None, *, image_id: int = 0
) -> Labelled:
    """The labels of a photo whose labels in the file ``name`` cannot be read: a problem."""
    finding = Finding(
        name, Severity.PROBLEM, "label", f"{error}; the photo is packed without its labels"
    )
    return Labelled(SampleLabels(LabelState.DAMAGED, file=file, image_id=image_id), (finding,))
