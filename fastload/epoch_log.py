"""``EpochLog``: a CSV file with a row an epoch, which a resumed run goes on with."""

from __future__ import annotations

import csv
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
        with open(self.path, newline="") as file:
            header, *rows = list(csv.reader(file))
        if header[0] != _EPOCH:
            raise ValueError(
                f"{self.path}: expected a first column {_EPOCH!r}, found {header[0]!r}"
            )
        # A row that was being written when the run was killed may be cut short.
        kept = [row for row in rows if len(row) == len(header) and int(row[0]) < keep_below]
        self._columns = header if kept else None
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        with open(temporary, "w", newline="") as file:
            csv.writer(file).writerows([header, *kept] if kept else [])
        os.replace(temporary, self.path)

    def row(self, epoch: int, numbers: Mapping[str, float]) -> list[list[str]]:
        """The lines that `append` writes: the row, with the header before the first one.

        Raises:
            ValueError: the columns are not those of the rows before.
        """
        columns = [_EPOCH, *numbers]
        line = [str(epoch), *(f"{value:.9g}" for value in numbers.values())]
        if self._columns is None:
            self._columns = columns
            return [columns, line]
        if columns != self._columns:
            raise ValueError(
                f"{self.path}: expected the columns {self._columns} of the epochs before, found "
                f"{columns}; give every epoch the same metrics (float('nan') where there is none)"
            )
        return [line]

    def append(self, lines: list[list[str]]) -> None:
        """Write to the end of the file."""
        with open(self.path, "a", newline="") as file:
            csv.writer(file).writerows(lines)
