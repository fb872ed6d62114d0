"""Small image sets as Hugging Face's Hub holds them, written with pyarrow alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from support.trees import write_photo

__all__ = ["given_back", "huggingface_set", "photos", "write_arrow", "write_parquet"]


def photos(folder: Path, count: int) -> list[bytes]:
    """JPEGs of 32 x 40."""
    found = []
    for seed in range(count):
        path = write_photo(folder / f"{seed}.tmp", 32, 40, seed=seed)
        found.append(path.read_bytes())
        path.unlink()
    return found


def _table(rows: Sequence[Mapping[str, Any]], features: Mapping[str, Any] | None) -> Any:
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(list(rows))
    if features is not None:
        text = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": text})
    return table


def write_parquet(
    path: Path,
    rows: Sequence[Mapping[str, Any]],
    features: Mapping[str, Any] | None = None,
    **options: Any,
) -> Path:
    """A Parquet file of rows; ``features`` as ``datasets`` describes them."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(_table(rows, features), path, **options)
    return path


def write_arrow(path: Path, rows: Sequence[Mapping[str, Any]], *, stream: bool = True) -> Path:
    """An Arrow file of rows, three a batch."""
    arrow = pytest.importorskip("pyarrow")
    table = _table(rows, None)
    make = arrow.ipc.new_stream if stream else arrow.ipc.new_file
    with make(str(path), table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    return path


def _rows(root: Path) -> list[dict[str, Any]]:
    """12 photos with objects, the fourth with one that cannot be, and a row without a photo."""
    rows: list[dict[str, Any]] = []
    for number, data in enumerate(photos(root, 12)):
        boxes = [[1.0, 2.0, 3.5, -4.0 if number == 3 else 4.0]] * (number % 3 or number == 3)
        rows.append(
            {
                "image": {"bytes": data, "path": f"x/{number}.jpg" if number % 2 else None},
                "image_id": number * 7,
                "objects": {"bbox": boxes, "category": [number % 2] * len(boxes)},
            }
        )
    rows.insert(5, {"image": {"bytes": None, "path": "gone.jpg"}, "image_id": 1, "objects": None})
    return rows


def huggingface_set(root: Path) -> Path:
    """``_rows`` in three files of two splits."""
    root.mkdir(parents=True)
    rows = _rows(root)
    names = {"_type": "ClassLabel", "names": ["cat", "dog"]}
    features = {
        "image": {"_type": "Image"},
        "objects": {"bbox": {"_type": "Sequence"}, "category": {"feature": names, "_type": "List"}},
    }
    parts = {"train-00000-of-00002": (0, 4), "train-00001-of-00002": (4, 9), "test": (9, 13)}
    for name, (first, last) in parts.items():
        path = root / "data" / f"{name}.parquet"
        write_parquet(path, rows[first:last], features, row_group_size=3)
    return root


def given_back(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """What unpacking the store of ``huggingface_set`` gives back."""
    parquet = pytest.importorskip("pyarrow.parquet")
    found, numbers = {}, {"train": 0, "test": 0}
    for path in sorted((root / "data").iterdir()):
        split, status = path.name.partition("-")[0].partition(".")[0], path.stat()
        for row in parquet.read_table(path).to_pylist():
            number, image = numbers[split], row["image"]
            numbers[split] += 1
            if image["bytes"] is not None:
                tail = f"-{Path(image['path']).name}" if image["path"] else ".jpg"
                facts = image["bytes"], status.st_mtime_ns, status.st_mode & 0o777
                found[f"{split}/{number:08}{tail}"] = facts
    return found
