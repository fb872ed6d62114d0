"""``EpochLog``: a CSV file with a row an epoch, which a resumed run goes on with."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping
from pathlib import Path

__all__ = ["EpochLog"]

_EPOCH = "epoch"


class EpochLog:
    """Rows of numbers; the first row names the columns.

    Args:
        path: made where it is missing, with its folder.
        keep_below: rows of this epoch and later ones are of a run that was cut off, and go.

    Raises:
        ValueError: the file is no such log.
    """

    def __init__(self, path: str | Path, *, keep_below: int = 0) -> None:
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._columns: list[str] | None = None
        if self.path.exists() and self.path.stat().st_size:
            self._keep(keep_below)

    def _keep(self, keep_below: int) -> None:
        # A machine that went down may have left anything behind the last whole row.
        text = self.path.read_text("utf-8", errors="replace").replace("\0", "")
        header, *rows = [row for row in csv.reader(io.StringIO(text)) if row] or [[_EPOCH]]
        if header[0] != _EPOCH:
            raise ValueError(
                f"{self.path}: expected a first column {_EPOCH!r}, found {header[0]!r}; name "
                "another folder, or move the file away"
            )
        if rows and not text.endswith("\n"):
            rows.pop()
        kept = [
            row
            for row in rows
            if len(row) == len(header) and row[0].isdecimal() and int(row[0]) < keep_below
        ]
        self._columns = header if kept else None
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([header, *kept] if kept else [])
        os.replace(temporary, self.path)

    def row(self, epoch: int, numbers: Mapping[str, float]) -> list[str]:
        """What `append` writes.

        Raises:
            ValueError: the columns are not those of the rows before.
        """
        columns = [_EPOCH, *numbers]
        if self._columns is None:
            self._columns = columns
        if columns != self._columns:
            raise ValueError(
                f"{self.path}: expected the columns {self._columns} of the epochs before, found "
                f"{columns}; give every epoch the same metrics (float('nan') where there is none)"
            )
        return [str(epoch), *(f"{value:.9g}" for value in numbers.values())]

    def append(self, row: list[str]) -> None:
        """Write to the end of the file; the names of the columns first, where it is empty."""
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if file.tell() == 0 and self._columns is not None:
                writer.writerow(self._columns)
            writer.writerow(row)
