"""What can be chosen about packing."""

from __future__ import annotations

import os
from dataclasses import dataclass

from fastload.convert.files import DEFAULT_MAX_FILE_BYTES, MAX_FILE_BYTES
from fastload.convert.near_pairs import MOST_DISTANCE
from fastload.convert.ordered import available_cores
from fastload.convert.sources import LAYOUTS, PROFILES, Source, find_source

__all__ = [
    "DEDUPE_CHOICES",
    "DEFAULT_NEAR",
    "DEFAULT_QUALITY",
    "FORMATS",
    "TILE_CHOICES",
    "PackOptions",
]

TILE_CHOICES = ("auto", "never")
FORMATS = ("original", "raw")
DEFAULT_QUALITY = 90
DEDUPE_CHOICES = ("exact", "near")
DEFAULT_NEAR = 4


@dataclass(frozen=True, slots=True)
class PackOptions:
    """Choices for ``pack``.

    Attributes:
        layout: how the source is laid out; "auto" finds it out.
        tile: "auto" transcodes each JPEG to tiles where that loses nothing, "never" keeps all
            files' own bytes.
        max_side: photos whose longer side has more pixels are reduced to that and encoded anew, as
            JPEG; their files are not in the store. 0: no photo is.
        quality: of those JPEGs, 1..100, as Pillow counts it.
        format: "original" keeps files; "raw" only their pixels, which need no decoding and far more
            room.
        labels: the client whose rules for doubtful YOLO labels count: "ultralytics" or "yolov5".
        follow_links: follow links and paths that lead out of the source.
        extensions: endings to pack beside those that torchvision packs.
        max_file_bytes: larger files are a problem.
        dedupe: leave out photos that repeat others, over all splits: "exact" those with the same
            bytes, "near" also those that look alike; "" none. Of those in several splits the one
            of the most held-out split is kept, so that training loses what leaks.
        near: bits of 64 in which the perceptual hashes of photos that look alike may differ.
        workers: threads; 0: as many as there are cores.
        overwrite: replace a published store.
        restart: throw a half-packed store away instead of going on with it.
        strict: publish nothing where any file is a problem.
        update: replace a published store by one of what the source has now, and pack only what is
            new or changed; what is in the store already is copied. Where there is none, pack all.
        checksum: with ``update``, read every file, and tell changed ones by their bytes; False: a
            file of the same name, size, time and permissions is taken to be the same.
        dry_run: write nothing, and say what would be done; takes as long as reading and packing do.
    """

    layout: str = "auto"
    tile: str = "auto"
    max_side: int = 0
    quality: int = DEFAULT_QUALITY
    format: str = "original"
    labels: str = "ultralytics"
    follow_links: bool = False
    extensions: tuple[str, ...] = ()
    max_file_bytes: int = DEFAULT_MAX_FILE_BYTES
    dedupe: str = ""
    near: int = DEFAULT_NEAR
    workers: int = 0
    overwrite: bool = False
    restart: bool = False
    strict: bool = False
    update: bool = False
    checksum: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout: expected one of {LAYOUTS}, found {self.layout!r}")
        if self.labels not in PROFILES:
            raise ValueError(f"labels: expected one of {PROFILES}, found {self.labels!r}")
        if self.tile not in TILE_CHOICES:
            raise ValueError(f"tile: expected one of {TILE_CHOICES}, found {self.tile!r}")
        if self.format not in FORMATS:
            raise ValueError(f"format: expected one of {FORMATS}, found {self.format!r}")
        if self.dedupe not in ("", *DEDUPE_CHOICES):
            raise ValueError(f"dedupe: expected one of {DEDUPE_CHOICES}, found {self.dedupe!r}")
        if not 0 <= self.near <= MOST_DISTANCE:
            raise ValueError(f"near: expected 0 to {MOST_DISTANCE}, found {self.near}")
        if self.max_side < 0:
            raise ValueError(f"max_side: expected 0 (no limit) or more, found {self.max_side}")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality: expected 1 to 100, found {self.quality}")
        if self.checksum and not self.update:
            raise ValueError("checksum: expected it together with update")
        if self.update and self.overwrite:
            raise ValueError("update, overwrite: expected one of them, or none")
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
        smaller = {"max_side": self.max_side, "quality": self.quality} if self.max_side else {}
        return {
            "layout": self.layout,
            "tile": self.tile,
            "follow_links": self.follow_links,
            "extensions": ",".join(self.extensions),
            "max_file_bytes": self.max_file_bytes,
            **smaller,
            **({"dedupe": self.dedupe} if self.dedupe else {}),
            **({"near": self.near} if self.dedupe == "near" else {}),
            **({} if self.format == "original" else {"format": self.format}),
        }

    def open_source(self, path: str | os.PathLike[str]) -> Source:
        """What is to be packed; raises what ``find_source`` does."""
        return find_source(
            path,
            self.layout,
            follow_links=self.follow_links,
            extensions=self.extensions,
            profile=self.labels,
        )
