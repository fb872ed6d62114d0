"""Small Pascal VOC data sets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from support.trees import write_photo


def voc_object(name: str = "dog", box: tuple[object, ...] = (2, 3, 11, 20), more: str = "") -> str:
    """An object's XML."""
    sides = "".join(
        f"<{side}>{value}</{side}>"
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    )
    return f"<object>\n<name>{name}</name>{more}\n<bndbox>{sides}</bndbox>\n</object>\n"


def voc_xml(*objects: str, size: tuple[int, int] | None = (30, 40), segmented: str = "") -> str:
    """A whole annotation."""
    stated = f"<segmented>{segmented}</segmented>" if segmented else ""
    if size is not None:
        stated += f"<size><height>{size[0]}</height><width>{size[1]}</width></size>"
    return f"<annotation>\n{stated}\n{''.join(objects)}</annotation>\n"


def voc_set(root: Path, photos: int = 6, year: str = "") -> Path:
    """JPEGImages, Annotations, and ImageSets/Main with train and val, 30 x 40 pixels each."""
    top = root / year
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for number in range(photos):
        stem = f"p{number:02}"
        write_photo(top / "JPEGImages" / f"{stem}.jpg", 30, 40, seed=number)
        objects = [voc_object(("dog", "cat")[k % 2]) for k in range(number % 3)]
        (top / "Annotations").mkdir(exist_ok=True)
        (top / "Annotations" / f"{stem}.xml").write_text(voc_xml(*objects))
        lists["val" if number % 4 == 0 else "train"].append(stem)
    (top / "ImageSets" / "Main").mkdir(parents=True)
    lists["trainval"] = lists["train"] + lists["val"]
    for split, stems in lists.items():
        (top / "ImageSets" / "Main" / f"{split}.txt").write_text("\n".join(stems) + "\n")
    return root


def voc_picture(path: Path, pixels: np.ndarray, mode: str = "P") -> None:
    """A segmentation picture with a palette."""
    path.parent.mkdir(exist_ok=True)
    picture = Image.fromarray(pixels.astype(np.uint8)).convert("L")
    if mode == "P":
        picture.putpalette(bytes(range(256)) * 3)
    picture.convert(mode).save(path)
