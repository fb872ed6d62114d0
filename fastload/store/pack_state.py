"""How far a packing has come: what a partial file says of itself at each commit."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from fastload.errors import StoreFormatError
from fastload.store.checked_json import dump_json, load_json
from fastload.store.columns import ColumnSpec
from fastload.store.header import (
    FORMAT_VERSION,
    LABELS_VERSION,
    StoreHeader,
    WriterHeader,
    format_version_of,
    writer_header_from_json,
    writer_header_to_json,
)

if TYPE_CHECKING:
    from fastload.store.group import Group

__all__ = ["PackPlan", "PackState"]


@dataclass(frozen=True, slots=True)
class PackPlan:
    """What does not change while a store is packed.

    Attributes:
        header: as the writer was given it.
        columns: as the writer was given them.
        store_id: 32 hex digits, random.
    """

    header: WriterHeader
    columns: tuple[ColumnSpec, ...]
    store_id: str

    def to_json(self) -> bytes:
        return dump_json(
            {
                "format_version": format_version_of(self.header),
                "header": writer_header_to_json(self.header),
                "columns": [[c.name, c.dtype, list(c.item_shape)] for c in self.columns],
                "store_id": self.store_id,
            }
        )

    @classmethod
    def from_json(cls, data: bytes, where: str) -> PackPlan:
        """Raises StoreFormatError for anything but what ``to_json`` gives."""
        values = load_json(data, where)
        version = values.get("format_version")
        if type(version) is not int or version not in (FORMAT_VERSION, LABELS_VERSION):
            raise StoreFormatError(
                f"{where}: begun in format version {version!r}, this release writes "
                f"{FORMAT_VERSION} and {LABELS_VERSION}: finish with the release that began, "
                "or --restart"
            )
        try:
            columns = tuple(
                ColumnSpec(name, dtype, tuple(shape)) for name, dtype, shape in values["columns"]
            )
            header = writer_header_from_json(values["header"], version, where)
            return cls(header, columns, str(values["store_id"]))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreFormatError(f"{where}: not a packing's plan ({error!r})") from error

    def differences(self, header: WriterHeader, columns: tuple[ColumnSpec, ...]) -> list[str]:
        """What another writer's header and columns have otherwise, in words."""
        differences = [
            f"{member.name}: begun with {getattr(self.header, member.name)!r:.200}, "
            f"now {getattr(header, member.name)!r:.200}"
            for member in fields(WriterHeader)
            if getattr(self.header, member.name) != getattr(header, member.name)
        ]
        if self.columns != columns:
            differences.append(f"columns: begun with {self.columns!r:.200}, now {columns!r:.200}")
        return differences


@dataclass(frozen=True, slots=True)
class PackState:
    """What each commit adds to.

    Attributes:
        sequence: commits so far; names their chunks.
        count: samples.
        problems_count: problems.
        position: files of the source that are dealt with.
        formats: names met so far.
        publishing: columns are being joined; nothing can be added any more.
    """

    sequence: int = 0
    count: int = 0
    problems_count: int = 0
    position: int = 0
    formats: tuple[str, ...] = ()
    publishing: bool = False

    def to_json(self) -> bytes:
        return dump_json(asdict(self))

    @classmethod
    def from_json(cls, data: bytes, where: str) -> PackState:
        """Raises StoreFormatError for anything but what ``to_json`` gives."""
        values: dict[str, Any] = load_json(data, where)
        if set(values) != {member.name for member in fields(cls)}:
            raise StoreFormatError(f"{where}: not a packing's state: {sorted(values)}")
        formats = values.pop("formats")
        publishing = values.pop("publishing")
        counts_fit = all(type(value) is int and value >= 0 for value in values.values())
        if not counts_fit or not isinstance(formats, list) or not isinstance(publishing, bool):
            raise StoreFormatError(f"{where}: a packing's state with values that cannot be")
        return cls(**values, formats=tuple(map(str, formats)), publishing=publishing)

    def after(self, group: Group, position: int) -> PackState:
        """The state once that group is committed, with ``position`` files dealt with."""
        return replace(
            self,
            sequence=self.sequence + 1,
            count=self.count + group.count,
            problems_count=self.problems_count + len(group.problems),
            position=position,
            formats=self.formats + tuple(group.new_formats),
        )

    def to_header(self, plan: PackPlan, columns: tuple[str, ...]) -> StoreHeader:
        """The header to publish."""
        own = {member.name: getattr(plan.header, member.name) for member in fields(WriterHeader)}
        return StoreHeader(
            **own,
            sample_count=self.count,
            problems_count=self.problems_count,
            source_count=self.position,
            formats=self.formats,
            columns=columns,
            store_id=plan.store_id,
            format_version=format_version_of(plan.header),
        )
