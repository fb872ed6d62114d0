"""Drawing a sample's boxes, masks and keypoints upon its picture."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from fastload.convert.labelled import PhotoSize
from fastload.convert.names import printable
from fastload.convert.orientation import upright_boxes, upright_picture, upright_points
from fastload.store import AnnotationHeader, Objects, SampleLabels
from fastload.store.run_masks import mask_of_runs

__all__ = ["MOST_OBJECTS", "LabelDrawing", "class_colour", "legible", "load_font"]

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

#: Further objects of a photo are not drawn: a store may be hostile, and nobody could see them.
MOST_OBJECTS = 200
_MASK_ALPHA = 90
_GOLDEN = 0.618034  # steps of the hue that keep neighbouring classes apart
_LIMIT = 1e6  # pixels that Pillow draws to without trouble


def class_colour(class_id: int) -> Colour:
    """A colour a class, the same everywhere."""
    red, green, blue = colorsys.hsv_to_rgb(class_id * _GOLDEN % 1, 0.85, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


def load_font(size: int) -> Font:
    """Pillow's own font; a coarse one where this Pillow was built without FreeType."""
    try:
        return ImageFont.load_default(size)
    except ImportError:
        return ImageFont.load_default()


def legible(text: str, font: Font, width: float) -> str:
    """A text on one line and at most ``width`` pixels wide: its start is cut off."""
    shown = printable(text)
    if isinstance(font, ImageFont.ImageFont):  # knows Latin-1 only
        shown = shown.encode("latin-1", "backslashreplace").decode("latin-1")
    if font.getlength(shown) <= width:
        return shown
    shown = shown[-200:]
    while shown and font.getlength("..." + shown) > width:
        shown = shown[1:]
    return "..." + shown


@dataclass(frozen=True)
class LabelDrawing:
    """Draws labels upon small pictures.

    Attributes:
        header: of the labels.
        class_names: in the order of class ids.
        font: for class names.
    """

    header: AnnotationHeader
    class_names: Sequence[str]
    font: Font

    def draw(self, image: Image.Image, labels: SampleLabels, size: PhotoSize) -> Image.Image:
        """The picture with its labels.

        Args:
            image: RGB, upright, of any scale.
            labels: of the sample.
            size: of the photo as it is stored.

        Raises:
            RecordError: a mask does not fit the photo.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # boxes may be of any size
            return self._drawn(image, labels, labels.objects.first(MOST_OBJECTS), size)

    def _drawn(
        self, image: Image.Image, labels: SampleLabels, objects: Objects, size: PhotoSize
    ) -> Image.Image:
        frame = size if not labels.upright else PhotoSize(*size.upright)
        height, width = size.upright
        scale = np.array([image.width / width, image.height / height])
        image = self._areas(image, objects, frame, scale)
        pen = ImageDraw.Draw(image)
        boxes = np.clip(upright_boxes(objects.boxes, frame) * np.tile(scale, 2), 0, None)
        for class_id, box in zip(objects.class_ids.tolist(), boxes, strict=True):
            self._box(pen, class_id, np.minimum(box, np.tile(image.size, 2) - 1).tolist())
        points = objects.fields.get("keypoints")
        if points is not None:
            for row in np.asarray(points, np.float64):
                self._keypoints(pen, row, frame, scale)
        return image

    def _areas(
        self,
        image: Image.Image,
        objects: Objects,
        frame: PhotoSize,
        scale: NDArray[np.float64],
    ) -> Image.Image:
        """Polygons and masks, half transparent."""
        layer = Image.new("RGBA", image.size)
        pen = ImageDraw.Draw(layer)
        shapes = zip(objects.class_ids, objects.polygons, objects.masks, strict=True)
        for class_id, rings, runs in shapes:
            colour = class_colour(int(class_id))
            for ring in rings:
                points = np.clip(upright_points(ring, frame) * scale, -_LIMIT, _LIMIT)
                if len(points) >= 2:
                    corners = points.ravel().tolist()
                    pen.polygon(corners, fill=(*colour, _MASK_ALPHA), outline=(*colour, 255))
            if len(runs):
                inside = mask_of_runs(runs, frame.height, frame.width).astype(np.uint8)
                alpha = Image.fromarray(inside * np.uint8(_MASK_ALPHA))
                tint = Image.new("RGBA", image.size, colour)
                tint.putalpha(upright_picture(alpha, frame.orientation).resize(image.size))
                layer.alpha_composite(tint)
        return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")

    def _box(self, pen: ImageDraw.ImageDraw, class_id: int, box: list[float]) -> None:
        left, top, right, bottom = box
        colour = class_colour(class_id)
        pen.rectangle((min(left, right), min(top, bottom), right, bottom), outline=colour, width=2)
        named = class_id < len(self.class_names)
        name = self.class_names[class_id] if named else f"class {class_id}"
        text = legible(name, self.font, 120)
        above = pen.textbbox((left, top), text, font=self.font, anchor="la")
        shift = max(0.0, above[3] - top) if top >= above[3] - top else 0.0
        place = (left + 1, top - shift)
        pen.rectangle(pen.textbbox(place, text, font=self.font, anchor="la"), fill=colour)
        ink = (0, 0, 0) if _luminance(colour) > 120 else (255, 255, 255)
        pen.text(place, text, fill=ink, font=self.font, anchor="la")

    def _keypoints(
        self,
        pen: ImageDraw.ImageDraw,
        row: NDArray[np.float64],
        frame: PhotoSize,
        scale: NDArray[np.float64],
    ) -> None:
        seen = row[:, 2] > 0 if row.shape[1] == 3 else np.all(row >= 0, axis=1)
        places = np.clip(upright_points(row[:, :2], frame) * scale, -_LIMIT, _LIMIT).tolist()
        for one, other in self.header.skeleton:
            if one < len(places) and other < len(places) and seen[one] and seen[other]:
                pen.line((*places[one], *places[other]), fill=(255, 255, 255))
        for number, (x, y) in enumerate(places):
            if seen[number]:
                pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=class_colour(number))


def _luminance(colour: Colour) -> float:
    """How light a colour looks, 0 to 255 (ITU-R BT.601)."""
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue
