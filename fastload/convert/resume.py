"""Going on with a half-packed store: does it still fit its source?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import printable
from fastload.convert.sources import Source, SourceItem
from fastload.errors import ResumeError
from fastload.store import StoreWriter

__all__ = ["skip_committed"]

REMEDY = "put the source back as it was, or pack anew with --restart"


def skip_committed(
    writer: StoreWriter,
    source: Source,
    items: Iterator[SourceItem | Finding],
    problem_of: Callable[[SourceItem], Finding | None],
) -> Iterator[Finding]:
    """Takes from ``items`` what ``writer`` has committed, and compares the two.

    Sample by sample, name, class, split, size and time must be the same. A photo that is not in
    the store was a problem, and must still be one.

    Args:
        writer: the half-packed store.
        source: what ``items`` come from.
        items: all items of the source; those after the committed ones are left in it.
        problem_of: tries to pack an item; its problem, or None where there is none any more.

    Yields:
        the findings among the items that were taken.

    Raises:
        ResumeError: the source is not as it was.
    """
    names = writer.committed_names()
    columns = [writer.committed_column(name)
               for name in ("class_id", "split", "source_size", "source_mtime_ns")]  # fmt: skip
    sample = problems_count = 0
    while sample + problems_count < writer.committed_position:
        item = next(items, None)
        if item is None:
            raise _changed(writer, f"it has fewer photos than were packed ({sample})")
        if isinstance(item, Finding):
            problems_count += item.severity is Severity.PROBLEM
            yield item
            continue
        if sample < writer.committed_count and names[sample] == item.name:
            expected = tuple(int(column[sample]) for column in columns)
            if expected != (item.class_id, item.split, *source.stamp(item)):
                raise _changed(writer, f"{printable(item.name)} has changed since it was packed")
            sample += 1
            continue
        finding = problem_of(item)
        if finding is None:
            raise _changed(writer, f"{printable(item.name)} is new, or could not be packed before")
        problems_count += 1
        yield finding
    if (sample, problems_count) != (writer.committed_count, writer.committed_problems_count):
        raise _changed(
            writer,
            f"the store has {writer.committed_count} photos and "
            f"{writer.committed_problems_count} problems, the source {sample} and "
            f"{problems_count} in their place",
        )


def _changed(writer: StoreWriter, what: str) -> ResumeError:
    return ResumeError(
        f"{writer.partial_path}: cannot be resumed, its source is not as it was: {what}; {REMEDY}"
    )
