"""Small COCO data sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from support.trees import write_photo

CATEGORIES = [
    {"id": 18, "name": "dog"},
    {"id": 1, "name": "person", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
]


def annotation(identity: int, image: int, **changes: Any) -> dict[str, Any]:
    """An annotation with a box and a triangle."""
    return {
        "id": identity,
        "image_id": image,
        "category_id": 18,
        "bbox": [1.5, 2.25, 10.1, 20.2],
        "area": 77.125,
        "iscrowd": 0,
        "segmentation": [[1.5, 2.25, 11.6, 2.25, 1.5, 22.45]],
        **changes,
    }


def coco_json(images: list[dict[str, Any]], annotations: list[dict[str, Any]]) -> dict[str, Any]:
    """A whole file."""
    return {"info": {}, "images": images, "annotations": annotations, "categories": CATEGORIES}


def coco_set(root: Path, photos: int = 6) -> dict[str, dict[str, Any]]:
    """train2017/ and val2017/, 30 x 40 pixels each, with annotations/instances_*.json."""
    files: dict[str, dict[str, Any]] = {}
    for number in range(photos):
        split = "val2017" if number % 3 == 0 else "train2017"
        write_photo(root / split / f"{number:06}.jpg", 30, 40, seed=number)
        file = files.setdefault(split, coco_json([], []))
        image = {"id": 1000 + number, "file_name": f"{number:06}.jpg", "height": 30, "width": 40}
        file["images"].append(image)
        file["annotations"] += [
            annotation(10 * number + k, 1000 + number) for k in range(number % 3)
        ]
    write_json(root, files)
    return files


def write_json(root: Path, files: dict[str, dict[str, Any]]) -> None:
    """annotations/instances_<split>.json."""
    (root / "annotations").mkdir(exist_ok=True)
    for split, values in files.items():
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(values, indent=1))
