"""What a store says about itself."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from fastload.errors import StoreFormatError
from fastload.native import _core
from fastload.store.annotation_header import AnnotationHeader, annotation_header_from_json
from fastload.store.checked_json import dump_json, load_json

__all__ = [
    "FORMAT_VERSION",
    "LABELS_VERSION",
    "MAX_NAMES",
    "NO_CLASS",
    "NO_SPLIT",
    "SEAL_BYTES",
    "Option",
    "StoreHeader",
    "WriterHeader",
    "format_version_of",
    "parse_header",
    "seal",
    "unseal",
    "writer_header_from_json",
    "writer_header_to_json",
]

#: Of a store without labels, and of one with them.
FORMAT_VERSION = 1
LABELS_VERSION = 2
#: ``class_id`` of a sample without a class.
NO_CLASS = -1
#: ``split`` of a sample without a split.
NO_SPLIT = 255
#: Splits, or formats, that a uint8 can count while 255 means none.
MAX_NAMES = 255

Option = str | int | bool | None

_HASH = struct.Struct("<Q")
#: What ``seal`` adds.
SEAL_BYTES = _HASH.size
_MAX_COUNT = 1 << 48


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
        annotations: what the samples' labels are; None: a store without labels of objects.
    """

    class_names: tuple[str, ...] = ()
    split_names: tuple[str, ...] = ()
    source: str = ""
    created_by: str = ""
    tile_width: int = 32
    options: Mapping[str, Option] = field(default_factory=dict)
    annotations: AnnotationHeader | None = None


@dataclass(frozen=True, slots=True)
class StoreHeader(WriterHeader):
    """The header of a published store.

    Attributes:
        sample_count: records, numbered from 0.
        problems_count: problems reported while packing.
        source_count: files of the source that were looked at (the last position committed).
        formats: names as Pillow's ("JPEG", "PNG"); the column ``format`` holds indices into it.
        columns: names of all columns.
        store_id: 32 hex digits, random, one for each packing.
        format_version: 1, or 2 where there are annotations.
    """

    sample_count: int = 0
    problems_count: int = 0
    source_count: int = 0
    formats: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    store_id: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        return dump_json(_to_json(self))


def seal(data: bytes) -> bytes:
    """``data`` with its XXH3_64 before it."""
    return _HASH.pack(_core.xxh3_64(data)) + data


def unseal(sealed: bytes, where: str) -> bytes:
    """The data of a sealed value; StoreFormatError where the checksum differs."""
    if len(sealed) < _HASH.size:
        raise StoreFormatError(f"{where}: expected a checksum, found {len(sealed)} bytes")
    data = sealed[_HASH.size :]
    (expected,) = _HASH.unpack_from(sealed)
    found = _core.xxh3_64(data)
    if found != expected:
        raise StoreFormatError(
            f"{where}: expected the checksum {expected:016x}, found {found:016x}"
        )
    return data


def format_version_of(header: WriterHeader) -> int:
    """The version that a store of this header is written in."""
    return FORMAT_VERSION if header.annotations is None else LABELS_VERSION


def writer_header_to_json(header: WriterHeader) -> dict[str, Any]:
    return _to_json(header)


def _to_json(header: WriterHeader) -> dict[str, Any]:
    values = asdict(header)
    if header.annotations is None:  # version 1 knows no such member
        del values["annotations"]
    return values


def writer_header_from_json(values: dict[str, Any], version: int, where: str) -> WriterHeader:
    """The header that a packing began with; StoreFormatError for anything else."""
    return WriterHeader(**_checked(values, WriterHeader, version, where))


def parse_header(data: bytes, where: str) -> StoreHeader:
    """The header of a published store.

    Raises:
        StoreFormatError: no such JSON, of a newer version, or with values that cannot be.
    """
    values = load_json(data, where)
    version = values.get("format_version")
    if type(version) is not int or version not in (FORMAT_VERSION, LABELS_VERSION):
        raise StoreFormatError(
            f"{where}: expected format version {FORMAT_VERSION} or {LABELS_VERSION}, "
            f"found {version!r}; read it with the release of fastload that wrote it"
        )
    header = StoreHeader(**_checked(values, StoreHeader, version, where))
    if len(set(header.columns)) != len(header.columns):
        raise StoreFormatError(f"{where}: a column is named twice")
    return header


def _checked(
    values: dict[str, Any], kind: type[WriterHeader], version: int, where: str
) -> dict[str, Any]:
    expected = {member.name: member.type for member in fields(kind)}
    annotations = expected.pop("annotations")
    if version == LABELS_VERSION:
        expected["annotations"] = annotations
    if set(values) != set(expected):
        difference = sorted(set(values) ^ set(expected))
        raise StoreFormatError(f"{where}: missing or unknown: {', '.join(map(repr, difference))}")
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name == "annotations":
            checked[name] = annotation_header_from_json(value, where)
            continue
        fits = _FITS[str(expected[name])]
        if not fits(value):
            raise StoreFormatError(
                f"{where}: expected {expected[name]} for {name}, found {repr(value)[:80]}"
            )
        checked[name] = tuple(value) if isinstance(value, list) else value
    return checked


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _MAX_COUNT


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _are_options(value: object) -> bool:
    return isinstance(value, dict) and all(
        option is None or isinstance(option, (str, int)) for option in value.values()
    )


#: By the annotation's text: a field of a new type must say here how it is checked.
_FITS = {
    "int": _is_count,
    "str": _is_text,
    "tuple[str, ...]": _are_names,
    "Mapping[str, Option]": _are_options,
}
