"""Makes tests/golden/huggingface with Hugging Face's ``datasets`` itself, which tests do not need.

``python tests/golden/make_huggingface.py`` (datasets 5.2.0 made what is committed).
"""

from __future__ import annotations

import io
import os
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}

import datasets
import numpy as np
from PIL import Image

OUT = Path(__file__).parent / "huggingface"


def photo(number: int, kind: str = "PNG") -> bytes:
    """A few bytes of a picture of 8 x 12."""
    pixels = np.full((8, 12, 3), 40 * number + 7, np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def main() -> None:
    """Writes the files."""
    features = datasets.Features(
        {
            "image": datasets.Image(),
            "label": datasets.ClassLabel(names=["cat", "dog"]),
            "caption": datasets.Value("string"),
        }
    )
    paths = ["a.png", "b c.png", None, None]
    rows = {
        "image": [{"bytes": photo(n), "path": path} for n, path in enumerate(paths)],
        "label": [1, 0, -1, 1],
        "caption": ["one", "two", None, "four"],
    }
    whole = datasets.Dataset.from_dict(rows, features=features)
    sets = datasets.DatasetDict({"train": whole.select(range(3)), "validation": whole.select([3])})
    sets.save_to_disk(OUT / "saved", num_shards={"train": 2, "validation": 1})
    for split, data in sets.items():
        for number in range(count := 2 if split == "train" else 1):
            name = f"{split}-{number:05}-of-{count:05}.parquet"
            (OUT / "hub" / "data").mkdir(parents=True, exist_ok=True)
            data.shard(count, number, contiguous=True).to_parquet(OUT / "hub" / "data" / name)
    objects = datasets.Features(
        {
            "image_id": datasets.Value("int64"),
            "image": datasets.Image(),
            "objects": datasets.Sequence(
                {
                    "id": datasets.Value("int64"),
                    "area": datasets.Value("float32"),
                    "bbox": datasets.Sequence(datasets.Value("float32"), length=4),
                    "category": datasets.ClassLabel(names=["cat", "dog"]),
                }
            ),
        }
    )
    found = [
        {"id": [5, 6], "area": [4.0, 2.5], "bbox": [[1, 2, 3, 4], [0.5, 0, 2, 2]],
         "category": [1, 0]},
        {"id": [], "area": [], "bbox": [], "category": []},
    ]  # fmt: skip
    images = [{"bytes": photo(n, "JPEG"), "path": None} for n in range(2)]
    rows = {"image_id": [70, 80], "image": images, "objects": found}
    data = datasets.Dataset.from_dict(rows, features=objects)
    data.save_to_disk(OUT / "objects")
    data.to_parquet(OUT / "objects.parquet")


if __name__ == "__main__":
    main()
