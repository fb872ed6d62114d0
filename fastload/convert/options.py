"""What can be chosen about packing."""

from __future__ import annotations

from dataclasses import dataclass

from fastload.convert.files import DEFAULT_MAX_FILE_BYTES, MAX_FILE_BYTES
from fastload.convert.ordered import available_cores
from fastload.convert.sources import LAYOUTS, PROFILES

__all__ = ["TILE_CHOICES", "PackOptions"]

TILE_CHOICES = ("auto", "never")


@dataclass(frozen=True, slots=True)
class PackOptions:
    """Choices for ``pack``.

    Attributes:
        layout: how the source is laid out; "auto" finds it out.
        tile: "auto" transcodes each JPEG to tiles where that loses nothing, "never" keeps all
            files' own bytes.
        labels: the client whose rules for doubtful YOLO labels count: "ultralytics" or "yolov5".
        follow_links: follow links and paths that lead out of the source.
        extensions: endings to pack beside those that torchvision packs.
        max_file_bytes: larger files are a problem.
        workers: threads; 0: as many as there are cores.
        overwrite: replace a published store.
        restart: throw a half-packed store away instead of going on with it.
        strict: publish nothing where any file is a problem.
    """

    layout: str = "auto"
    tile: str = "auto"
    labels: str = "ultralytics"
    follow_links: bool = False
    extensions: tuple[str, ...] = ()
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    workers: int = 0
    overwrite: bool = False
    restart: bool = False
    strict: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout: expected one of {LAYOUTS}, found {self.layout!r}")
        if self.labels not in PROFILES:
            raise ValueError(f"labels: expected one of {PROFILES}, found {self.labels!r}")
        if self.tile not in TILE_CHOICES:
            raise ValueError(f"tile: expected one of {TILE_CHOICES}, found {self.tile!r}")
        if self.workers < 0:
            raise ValueError(f"workers: expected 0 (all cores) or more, found {self.workers}")
        if not 1 <= self.max_file_bytes <= MAX_FILE_BYTES:
            raise ValueError(
                f"max_file_bytes: expected 1 to {MAX_FILE_BYTES}, found {self.max_file_bytes}"
            )

    @property
    def worker_count(self) -> int:
        """Threads to use."""
        return self.workers or available_cores()

    def content(self) -> dict[str, str | int | bool | None]:
        """Those that shape the content: a packing is only resumed with the same."""
        return {
            "layout": self.layout,
            "tile": self.tile,
            "follow_links": self.follow_links,
            "extensions": ",".join(self.extensions),
            "max_file_bytes": self.max_file_bytes,
        }
