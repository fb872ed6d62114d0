"""Folders of small made photos, and what a packed one holds."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from fastload.convert import verify
from support.pictures import picture


def write_photo(
    path: Path, height: int = 40, width: int = 72, *, seed: int = 0, format_name: str = "JPEG"
) -> Path:
    """A photo of that format, whatever the name says; its folders are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(picture(height, width, seed=seed))
    image.save(path, format_name, **({"quality": 90} if format_name == "JPEG" else {}))
    return path


def image_folder(root: Path, classes: int = 3, photos: int = 4) -> Path:
    """``classes`` class folders with ``photos`` JPEGs each, every size another."""
    for number in range(classes):
        for photo in range(photos):
            seed = number * photos + photo
            path = root / f"class_{number}" / f"photo_{photo:03}.jpg"
            write_photo(path, 33 + seed % 7, 64 + seed % 11, seed=seed)
    return root


def snapshot(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """(bytes, mtime_ns, mode) of every regular file below ``root``, by relative path."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink():
                status = path.stat()
                found[str(path.relative_to(root))] = (
                    path.read_bytes(), status.st_mtime_ns, status.st_mode & 0o777,
                )  # fmt: skip
    return found


def content_hash(store: Path) -> str:
    """The hash of all records and columns; asserts that nothing in the store is damaged."""
    report = verify(store)
    assert report.differences_count == 0, report.as_json()
    return report.content_hash
