"""A folder of photos as every loader can read it: an ImageFolder of copies, and a store."""

from __future__ import annotations

import shutil
from pathlib import Path

from _support.photos import Photo


def image_folder(photos: list[Photo], source: Path, root: Path) -> list[str]:
    """Copy the photos to ``root/CLASS/NUMBER.jpg``; a photo's first folder is its class.

    Returns:
        The copies, in the order of torchvision's ImageFolder.
    """
    made = []
    for number, photo in enumerate(photos):
        parts = photo.path.relative_to(source).parts
        folder = root / (parts[0] if len(parts) > 1 else "photos")
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / f"{number:06d}.jpg"
        shutil.copyfile(photo.path, copy)
        made.append(copy)
    return [str(path) for path in sorted(made)]


def store_of(root: Path, path: Path) -> None:
    """Pack the folder with fastload's defaults."""
    from fastload.convert import pack

    summary = pack(root, path)
    expected = sum(1 for file in root.rglob("*") if file.is_file())
    if summary.contents.photos != expected:
        raise SystemExit(f"expected {expected} photos in {path}, found {summary.contents.photos}")


def warm(files: list[str]) -> None:
    """Read all files, so that the page cache holds them."""
    for file in files:
        Path(file).read_bytes()
