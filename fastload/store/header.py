"""What a store says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FORMAT_VERSION", "NO_CLASS", "NO_SPLIT", "StoreHeader", "WriterHeader"]

FORMAT_VERSION = 1
#: ``class_id`` of a sample without a class.
NO_CLASS = -1
#: ``split`` of a sample without a split.
NO_SPLIT = 255

Option = str | int | bool | None


@dataclass(frozen=True, slots=True)
class WriterHeader:
    """What is known of a store before its first photo; a resumed packing must say the same.

    Attributes:
        class_names: sorted as class ids are counted; empty for a store without classes.
        split_names: named splits, in the order of split ids; empty without splits (at most 255).
        source: the absolute folder that is packed.
        created_by: program and version, such as "fastload 0.1.0".
        tile_width: pixels aimed at for a tile of codec tiles.
        options: further choices that shape the content (such as a resize), so that a packing is
            never resumed with others. Kept in the store's header.
    """

    class_names: tuple[str, ...] = ()
    split_names: tuple[str, ...] = ()
    source: str = ""
    created_by: str = ""
    tile_width: int = 32
    options: Mapping[str, Option] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoreHeader(WriterHeader):
    """The header of a published store.

    Attributes:
        sample_count: records, numbered from 0.
        problems_count: problems reported while packing.
        source_count: files of the source that were looked at (the last position committed).
        formats: names as Pillow's ("JPEG", "PNG"); the column ``format`` holds indices into it.
        store_id: 32 hex digits, random, one for each packing.
        format_version: 1.
    """

    sample_count: int = 0
    problems_count: int = 0
    source_count: int = 0
    formats: tuple[str, ...] = ()
    store_id: str = ""
    format_version: int = FORMAT_VERSION
