"""``contact_sheet``: some photos of a store with their labels, in one picture."""

from __future__ import annotations

import io
import math
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from fastload.convert.counted import counted
from fastload.convert.findings import Finding, Severity, Tally
from fastload.convert.label_drawing import MOST_OBJECTS, LabelDrawing, legible, load_font
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.output_file import picture_format, write_output
from fastload.convert.photo import quiet_pillow
from fastload.convert.thumbnail import small_picture, stored_size
from fastload.errors import StoreError
from fastload.store import NO_CLASS, NO_SPLIT, LabelState, Store

__all__ = ["MOST_PHOTOS", "ContactSheet", "contact_sheet"]

MOST_PHOTOS = 1000
_MARGIN, _LINE, _TEXT_SIZE = 6, 14, 11
_PAPER, _INK, _GRAY = (24, 24, 24), (235, 235, 235), (150, 150, 150)
_LINES = 3


@dataclass(frozen=True, slots=True)
class ContactSheet:
    """What ``contact_sheet`` returns.

    Attributes:
        image: RGB.
        samples: indices of the photos drawn, in the order of the grid, row by row.
        tally: photos that could not be drawn, as problems, by kind.
    """

    image: Image.Image
    samples: tuple[int, ...]
    tally: Tally


def contact_sheet(
    store: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    count: int = 16,
    seed: int = 0,
    cell: int = 256,
    workers: int = 0,
) -> ContactSheet:
    """Draw ``count`` photos of ``store``, chosen by ``seed``, with their labels.

    Pictures and labels are turned upright by the EXIF orientation, which stands below, with the
    photo's name, split, and class or number of objects. A photo that cannot be decoded is crossed
    out and reported.

    Args:
        store: the store's file.
        out: also write the picture there; its ending says in which format.
        count: photos, at most 1,000; all where the store has fewer. They stand in its order.
        seed: the same seed chooses the same photos.
        cell: pixels that the longer side of each photo becomes.
        workers: threads; 0: as many as there are cores.

    Raises:
        StoreFormatError: not a store, or a damaged one.
        StoreError: it has no photos.
        NoSpaceError: the disk of ``out`` is full.
        PackError: ``out`` is no name of a picture, or cannot be written.
        ValueError: an argument is out of its range.
    """
    if not 1 <= count <= MOST_PHOTOS:
        raise ValueError(f"count: expected 1 to {MOST_PHOTOS}, found {count}")
    if not 32 <= cell <= 2048:
        raise ValueError(f"cell: expected 32 to 2048 pixels, found {cell}")
    if seed < 0:
        raise ValueError(f"seed: expected 0 or more, found {seed}")
    format_name = None if out is None else picture_format(out)
    tally = Tally()
    with quiet_pillow(), Store(store) as opened:
        if not len(opened):
            raise StoreError(f"{opened.path}: has no photos to draw")
        drawing = _Drawing(opened, cell)
        chosen = np.random.default_rng(seed).choice(
            len(opened), min(count, len(opened)), replace=False
        )
        samples = tuple(np.sort(chosen).tolist())
        columns = math.ceil(math.sqrt(len(samples)))
        rows = math.ceil(len(samples) / columns)
        step_x, step_y = drawing.width + _MARGIN, drawing.height + _MARGIN
        sheet = Image.new("RGB", (columns * step_x + _MARGIN, rows * step_y + _MARGIN), _PAPER)
        threads = workers or available_cores()
        cells = ordered(drawing.cell, samples, workers=threads, window=4 * threads)
        for place, (_, (picture, finding)) in enumerate(cells):
            row, column = divmod(place, columns)
            sheet.paste(picture, (_MARGIN + column * step_x, _MARGIN + row * step_y))
            if finding is not None:
                tally.add(finding)
        if out is not None:
            buffer = io.BytesIO()
            sheet.save(buffer, format_name)
            write_output(out, buffer.getvalue(), opened.path)
    return ContactSheet(sheet, samples, tally)


class _Drawing:
    """Draws single cells. Safe to use from many threads."""

    def __init__(self, store: Store, side: int) -> None:
        self._store = store
        self._side = side
        self._font = load_font(_TEXT_SIZE)
        self.width, self.height = side, side + _LINES * _LINE
        self._annotations = store.annotations
        self._labels = None
        if self._annotations is not None:
            header, names = self._annotations.header, store.header.class_names
            self._labels = LabelDrawing(header, names, self._font)

    def cell(self, _ticket: int, index: int) -> tuple[Image.Image, Finding | None]:
        """The picture of a sample with its captions, and what was wrong with it."""
        side, name, finding = self._side, self._store.names[index], None
        cell = Image.new("RGB", (self.width, self.height), _PAPER)
        try:
            picture = self._picture(index)
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever the bytes lead it to
            finding = Finding(name, Severity.PROBLEM, "record", f"cannot be drawn: {error}")
            picture = Image.new("RGB", (side, side), (60, 0, 0))
            pen = ImageDraw.Draw(picture)
            pen.line((0, 0, side, side), fill=_INK)
            pen.line((0, side, side, 0), fill=_INK)
        cell.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
        pen = ImageDraw.Draw(cell)
        lines = [name, self._size(index), "cannot be drawn" if finding else self._says(index)]
        for number, line in enumerate(lines):
            text = legible(line, self._font, side)
            colour = _GRAY if number == 1 else _INK
            pen.text((0, side + 1 + number * _LINE), text, fill=colour, font=self._font)
        return cell, finding

    def _picture(self, index: int) -> Image.Image:
        picture = small_picture(self._store, index, None, self._side)
        if self._annotations is None or self._labels is None:
            return picture
        return self._labels.draw(picture, self._annotations[index], stored_size(self._store, index))

    def _size(self, index: int) -> str:
        size = stored_size(self._store, index)
        text = f"{size.height} x {size.width}"
        if size.orientation > 1:
            text += f", EXIF {size.orientation}, turned"
        split = int(self._store.column("split")[index])
        return text if split == NO_SPLIT else f"{self._store.header.split_names[split]}, {text}"

    def _says(self, index: int) -> str:
        """Its class, or what its labels are."""
        if self._annotations is None:
            class_id = int(self._store.column("class_id")[index])
            return "" if class_id == NO_CLASS else self._store.header.class_names[class_id]
        state = LabelState(int(self._annotations.states[index]))
        if state is not LabelState.PRESENT:
            return {
                LabelState.MISSING: "no labels", LabelState.EMPTY: "labelled: no objects",
                LabelState.DAMAGED: "damaged labels",
            }[state]  # fmt: skip
        first, last = self._annotations.offsets[index : index + 2].tolist()
        count = last - first
        drawn = f", {MOST_OBJECTS} drawn" if count > MOST_OBJECTS else ""
        return f"{counted(count, 'object')}{drawn}"
