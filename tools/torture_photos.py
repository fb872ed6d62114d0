"""A folder of made photos for the torture programmes, large enough to be killed while packing."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["LABELLERS", "make_source"]

DISTINCT = 12


def make_source(root: Path, photos: int = 240, *, bad: bool = True) -> Path:
    """``photos`` JPEGs of about 60 kB in 4 class folders, and some files that cannot be packed."""
    generator = np.random.default_rng(1)
    files = []
    for number in range(DISTINCT):
        small = generator.integers(0, 256, size=(24, 32 + number, 3), dtype=np.uint8)
        image = Image.fromarray(small).resize((480 + 8 * number, 360), Image.Resampling.BICUBIC)
        noisy = np.asarray(image, dtype=np.int16) + generator.integers(
            -24, 24, (*image.size[::-1], 1)
        )
        buffer = BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=88)
        files.append(buffer.getvalue())
    for number in range(photos):
        folder = root / f"class_{number % 4}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"photo_{number:05}.jpg").write_bytes(files[number % DISTINCT])
        if bad and number % 40 == 0:
            (folder / f"photo_{number:05}_bad.jpg").write_bytes(files[0][: number * 7])
    return root


def _no_labels(_root: Path) -> None:
    """Class folders say everything."""


def _yolo(root: Path) -> None:
    """A label file beside each photo, some empty, missing or damaged, and a yaml."""
    for number, photo in enumerate(sorted(root.rglob("*.jpg"))):
        if number % 10:
            text = "".join(f"{k} 0.5 0.5 0.{number % 9 + 1} 0.25\n" for k in range(number % 4))
            photo.with_suffix(".txt").write_text(text + "broken\n" * (number % 25 == 7))
    (root / "data.yaml").write_text("train: [class_0, class_1]\nval: [class_2, class_3]\nnc: 4\n")


def _coco(root: Path) -> None:
    """One JSON with polygons and masks."""
    images, annotations = [], []
    for number, photo in enumerate(sorted(root.rglob("*.jpg"))):
        images.append({"id": number, "file_name": str(photo.relative_to(root))})
        for k in range(number % 4):
            shape: object = [[1, 2, 9.5, 2, 9.5, 8]]
            annotations.append({"id": 10 * number + k, "image_id": number, "category_id": 3,
                                "bbox": [1, 2, 8.5, 6], "segmentation": shape})  # fmt: skip
    values = {"images": images, "annotations": annotations,
              "categories": [{"id": 3, "name": "thing"}]}  # fmt: skip
    (root / "all.json").write_text(json.dumps(values))


def _webdataset(root: Path) -> None:
    """The photos in tars, with a class and a caption each, and no longer as files."""
    photos = sorted(root.rglob("*.jpg"))
    for number in range(3):
        with tarfile.open(root / f"{('train', 'val')[number == 2]}-{number:06}.tar", "w") as tar:
            for photo in photos[number::3]:
                tar.add(photo, f"{photo.stem}.jpg")
                for ending, data in (("cls", photo.parent.name[-1:].encode()), ("txt", b"a photo")):
                    info = tarfile.TarInfo(f"{photo.stem}.{ending}")
                    info.size = len(data)
                    tar.addfile(info, BytesIO(data))
    for photo in photos:
        photo.unlink()


def _huggingface(root: Path) -> None:
    """The photos in Parquet files of two splits, with a class each, and no longer as files."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    photos = sorted(root.rglob("*.jpg"))
    for number, split in enumerate(("train", "test")):
        rows = [{"image": {"bytes": photo.read_bytes(), "path": photo.name},
                 "label": photo.parent.name} for photo in photos[number::2]]  # fmt: skip
        path = root / f"{split}-00000-of-00001.parquet"
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
    for photo in photos:
        photo.unlink()


#: Layout -> adds its labels to the folder that ``make_source`` made.
LABELLERS: dict[str, Callable[[Path], None]] = {
    "imagefolder": _no_labels,
    "yolo": _yolo,
    "coco": _coco,
    "webdataset": _webdataset,
    "huggingface": _huggingface,
}
