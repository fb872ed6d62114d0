"""The photos that a benchmark reads, and what they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fastload import jpeg
from fastload.errors import DecodeError

_NAMES = {
    ((1, 1), (1, 1), (1, 1)): "4:4:4",
    ((2, 1), (1, 1), (1, 1)): "4:2:2",
    ((2, 2), (1, 1), (1, 1)): "4:2:0",
    ((1, 2), (1, 1), (1, 1)): "4:4:0",
    ((4, 1), (1, 1), (1, 1)): "4:1:1",
}


@dataclass(frozen=True, slots=True)
class Photo:
    """A JPEG file in memory."""

    path: Path
    data: bytes
    height: int
    width: int
    sampling: str


def find(folders: list[Path], most: int | None = None) -> tuple[list[Photo], dict[str, str]]:
    """JPEG files below the folders that decode without a warning, and path -> why not, of others.

    ``most``: that many of the files, evenly spread.
    """
    files = sorted(
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.suffix.lower() in {".jpg", ".jpeg"} and path.is_file()
    )
    if most is not None and most < len(files):
        files = [files[i * len(files) // most] for i in range(most)]
    photos: list[Photo] = []
    left_out: dict[str, str] = {}
    for path in files:
        data = path.read_bytes()
        try:
            header = jpeg.parse_header(data)
            warnings = jpeg.check(data)
        except DecodeError as error:
            left_out[str(path)] = str(error)
            continue
        if warnings:
            left_out[str(path)] = f"{warnings} warnings of libjpeg-turbo"
            continue
        sampling = "gray" if header.components == 1 else _NAMES.get(header.sampling, "other")
        photos.append(Photo(path, data, header.height, header.width, sampling))
    return photos, left_out


def describe(photos: list[Photo]) -> dict[str, object]:
    """Count, bytes, pixels and how many of which subsampling."""
    return {
        "count": len(photos),
        "bytes": sum(len(photo.data) for photo in photos),
        "megapixels": sum(photo.height * photo.width for photo in photos) / 1e6,
        "sampling": dict(Counter(photo.sampling for photo in photos).most_common()),
    }


def sentence(photos: list[Photo]) -> str:
    """One line about the photos."""
    count = len(photos)
    bytes_each = sum(len(photo.data) for photo in photos) / count
    pixels_each = sum(photo.height * photo.width for photo in photos) / count
    kinds = Counter(photo.sampling for photo in photos)
    shares = ", ".join(f"{number} are {name}" for name, number in kinds.most_common())
    return (
        f"{count} photos, {bytes_each / 1e3:.0f} KB and {pixels_each / 1e6:.2f} Mpx on average; "
        f"{shares} ({kinds['4:2:0'] / count:.0%} 4:2:0)"
    )
