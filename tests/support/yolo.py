"""Small YOLO data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from support.pictures import picture
from support.trees import write_photo

BOXES = "0 0.5 0.5 0.25 0.5\n1 0.25 0.75 0.125 0.25\n"


def yolo_set(root: Path, photos: int = 6, *, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    """images/{train,val}, labels/{train,val} and data.yaml; returns the yaml.

    The second photo's label file is empty, the third has none.
    """
    (root / "images" / "train").mkdir(parents=True)
    for number in range(photos):
        split = "train" if number % 3 else "val"
        write_photo(root / "images" / split / f"p{number}.jpg", 40 + number, 64, seed=number)
        label = root / "labels" / split / f"p{number}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        if number != 2:
            label.write_text("" if number == 1 else BOXES)
    yaml = root / "data.yaml"
    yaml.write_text(f"train: images/train\nval: images/val\nnames: [{', '.join(names)}]\n")
    return yaml


def turned_photo(path: Path, height: int, width: int, orientation: int) -> Path:
    """A JPEG with an EXIF orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width)).save(path, "JPEG", quality=90, exif=exif)
    return path


def rows_text(rows: list[list[float]]) -> str:
    """Rows of a label file, floats written so that float32 is kept."""
    return "".join(" ".join(f"{np.float32(v):.9g}" for v in row) + "\n" for row in rows)
