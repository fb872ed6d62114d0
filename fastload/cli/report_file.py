"""``--problems FILE``: every finding, one JSON object a line."""

from __future__ import annotations

import json
from types import TracebackType
from typing import IO, final

from fastload.convert.findings import Finding, Severity

__all__ = ["FindingsFile"]


@final
class FindingsFile:
    """Writes problems and notes as they are found; ignored files are only counted.

    Args:
        path: the file, replaced where it exists; None: nothing is written.
    """

    def __init__(self, path: str | None) -> None:
        self._file: IO[str] | None = None
        if path is not None:
            self._file = open(path, "w", encoding="ascii")  # noqa: SIM115 - closed by __exit__

    def __call__(self, finding: Finding) -> None:
        """Write one finding."""
        if self._file is not None and finding.severity is not Severity.IGNORED:
            self._file.write(json.dumps(finding.as_json()) + "\n")

    def __enter__(self) -> FindingsFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()
