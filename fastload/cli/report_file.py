"""``--problems FILE``: every finding, one JSON object a line."""

from __future__ import annotations

import json
import os
from types import TracebackType
from typing import IO, final

import click

from fastload.convert.findings import Finding, Severity
from fastload.convert.output_file import output_errors
from fastload.convert.targets import is_inside
from fastload.errors import PackError

__all__ = ["FindingsFile"]

#: Of every such file; one that was cut off may have less.
_BEGIN = b'{"severity": "'


@final
class FindingsFile:
    """Writes problems and notes as they are found; ignored files are only counted.

    Args:
        path: the file, replaced where it exists; None: nothing is written.
        source: the data set that the command reads, or None.

    Raises:
        click.UsageError: it lies in the source, or something else than findings is there.
        PackError: it cannot be written; so do calls and ``__exit__``.
    """

    def __init__(self, path: str | None, source: str | None = None) -> None:
        self._file: IO[str] | None = None
        self._path = path or ""
        if path is not None:
            _check(path, source)
            with output_errors(path):
                self._file = open(path, "w", encoding="ascii")  # noqa: SIM115 - see __exit__

    def __call__(self, finding: Finding) -> None:
        """Write one finding."""
        if self._file is not None and finding.severity is not Severity.IGNORED:
            with output_errors(self._path):
                self._file.write(json.dumps(finding.as_json()) + "\n")

    def __enter__(self) -> FindingsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is None:
            return
        try:
            with output_errors(self._path):
                self._file.close()
        except PackError:
            if error is None:  # or what stopped the command is the news
                raise


def _check(path: str, source: str | None) -> None:
    if source is not None and is_inside(path, source):
        raise click.UsageError("--problems: FILE lies inside SOURCE, in which nothing is written")
    if not os.path.isfile(path):
        return
    with open(path, "rb") as file:
        begin = file.read(len(_BEGIN))
    # A store, its manifest, a COCO JSON: one word too few, and it would be gone.
    if not _BEGIN.startswith(begin):
        raise click.UsageError(
            f"--problems: expected a new file, or an earlier one of problems, found {path} with "
            "something else in it"
        )
