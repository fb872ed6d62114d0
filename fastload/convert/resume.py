"""Going on with a half-packed store: does it still fit its source?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import PhotoSize
from fastload.convert.names import printable
from fastload.convert.originals import original_columns, original_name
from fastload.convert.reach import label_photo
from fastload.convert.sources import Source, SourceItem
from fastload.errors import ResumeError
from fastload.store import Names, WriterHeader

__all__ = ["Committed", "skip_committed"]

REMEDY = "put the source back as it was, or pack anew with --restart"


class Committed(Protocol):
    """What is packed already, as a ``StoreWriter`` says it."""

    @property
    def header(self) -> WriterHeader: ...
    @property
    def partial_path(self) -> Path: ...
    @property
    def committed_position(self) -> int: ...
    @property
    def committed_count(self) -> int: ...
    @property
    def committed_problems_count(self) -> int: ...
    def committed_names(self) -> Names: ...
    def committed_column(self, name: str) -> NDArray[Any]: ...


def skip_committed(
    writer: Committed,
    source: Source,
    items: Iterator[SourceItem | Finding],
    problem_of: Callable[[SourceItem], Finding | None],
) -> Iterator[Finding]:
    """Takes from ``items`` what ``writer`` has committed, and compares the two.

    Sample by sample, name, class, split, size, time and permissions must be the same, and those of
    its label file. A photo that is not in the store was a problem, and must still be one.

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
    size = original_name("source_size", _further(writer))
    facts = ("class_id", "split", size, "source_mtime_ns", "source_mode")
    columns = [writer.committed_column(name) for name in facts]
    described = source.annotations
    has_labels = described is not None and (described.objects or described.label_files)
    labels = _CommittedLabels(writer) if has_labels else None
    sample = problems_count = label_problems_count = 0
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
            status = source.status(item)
            if not any(status):  # a part of another file: its permissions are not looked at
                status = (*source.stamp(item), expected[-1])
            if expected != (item.class_id, item.split, *status):
                raise _changed(writer, f"{printable(item.name)} has changed since it was packed")
            for label_finding in () if labels is None else labels.check(source, item, sample):
                label_problems_count += label_finding.severity is Severity.PROBLEM
                yield label_finding
            sample += 1
            continue
        finding = problem_of(item)
        if finding is None:
            raise _changed(writer, f"{printable(item.name)} is new, or could not be packed before")
        problems_count += 1
        yield finding
    problems_count += label_problems_count
    if (sample, problems_count) != (writer.committed_count, writer.committed_problems_count):
        raise _changed(
            writer,
            f"the store has {writer.committed_count} photos and "
            f"{writer.committed_problems_count} problems, the source {sample} and "
            f"{problems_count} in their place",
        )


class _CommittedLabels:
    """The labels of the samples that are committed."""

    def __init__(self, writer: Committed) -> None:
        self._writer = writer
        sides = [original_name(side, _further(writer)) for side in ("height", "width")]
        columns = [writer.committed_column(name) for name in (*sides, "orientation")]
        self._sizes = columns
        self._files: tuple[NDArray[Any], ...] | None = None
        annotations = writer.header.annotations
        if annotations is not None and annotations.label_files:
            self._files = (
                writer.committed_column("label_text.offsets"),
                writer.committed_column("label_mtime_ns"),
                writer.committed_column("label_mode"),
            )

    def check(self, source: Source, item: SourceItem, sample: int) -> tuple[Finding, ...]:
        """What the source says of the sample's labels; they must be those that were packed."""
        size = PhotoSize(*(int(column[sample]) for column in self._sizes))
        try:
            labelled = label_photo(source, item, size)
        except RefusedError as refused:
            what = f"labels of {printable(item.name)}: {refused.detail}"
            raise _changed(self._writer, what) from None
        if labelled is None:
            return ()
        file = labelled.labels.file
        found = (0, 0, 0) if file is None else (len(file.text), file.mtime_ns, file.mode)
        if self._files is not None:
            offsets, *facts = self._files
            size_bytes = int(offsets[sample + 1] - offsets[sample])
            expected = (size_bytes, *(int(column[sample]) for column in facts))
            if found != expected:
                name = item.name if file is None else file.name
                raise _changed(
                    self._writer, f"labels of {printable(name)} have changed since they were packed"
                )
        return labelled.findings


def _further(writer: Committed) -> list[str]:
    return [column.name for column in original_columns(writer.header.options)]


def _changed(writer: Committed, what: str) -> ResumeError:
    return ResumeError(
        f"{writer.partial_path}: cannot be resumed, its source is not as it was: {what}; {REMEDY}"
    )
