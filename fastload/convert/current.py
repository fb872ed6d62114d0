"""Whether a store is what packing its source would give, told without reading the photos."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from fastload.convert.findings import Finding, Severity
from fastload.convert.job import photo_packer, problem_of
from fastload.convert.names import printable
from fastload.convert.options import PackOptions
from fastload.convert.resume import REMEDY, skip_committed
from fastload.convert.sources import Source, SourceItem
from fastload.errors import ResumeError
from fastload.store import Names, Store, WriterHeader

__all__ = ["check_current", "check_header", "findings_if_current"]


def findings_if_current(
    store: Store, header: WriterHeader, source: Source, options: PackOptions
) -> list[Finding] | None:
    """What packing would say, where it would change nothing; None where it would."""
    try:
        return check_current(store, header, source, options)
    except ResumeError:
        return None


def check_current(
    store: Store, header: WriterHeader, source: Source, options: PackOptions
) -> list[Finding]:
    """What packing would say, where it would change nothing.

    Goes by what a resumed packing goes by: names, sizes, times and permissions of all files, in
    order, and everything in the header but the release that wrote it.

    Raises:
        ResumeError: it would change something; says what.
    """
    check_header(store, header)
    packer = photo_packer(options)
    bad = {problem.path for problem in store.problems}

    def still_bad(item: SourceItem) -> Finding | None:
        if item.name not in bad:
            return None
        return problem_of(source, item, packer, options.max_file_bytes)

    items = source.items()
    found = list(skip_committed(_Published(store), source, items, still_bad))
    for item in items:
        if isinstance(item, SourceItem) or item.severity is Severity.PROBLEM:
            raise ResumeError(
                f"{store.location}: its source is not as it was: {printable(item.name)} is new; "
                f"{REMEDY}"
            )
        found.append(item)
    return found


def check_header(store: Store, header: WriterHeader) -> None:
    """Refuses a store of another command; what release wrote it does not count.

    Raises:
        ResumeError: it is one.
    """
    if _without_release(store.header) != _without_release(header):
        raise ResumeError(
            f"{store.location}: was begun otherwise; repeat the command that began it, or start "
            "anew with --restart"
        )


def _without_release(header: WriterHeader) -> WriterHeader:
    names = WriterHeader.__dataclass_fields__
    return replace(WriterHeader(**{name: getattr(header, name) for name in names}), created_by="")


class _Published:
    """A published store as one that is half packed, and wholly."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.header: WriterHeader = store.header
        self.partial_path = Path(store.path)
        self.committed_position = store.header.source_count
        self.committed_count = len(store)
        self.committed_problems_count = store.header.problems_count

    def committed_names(self) -> Names:
        return self._store.names

    def committed_column(self, name: str) -> NDArray[Any]:
        return self._store.column(name)
