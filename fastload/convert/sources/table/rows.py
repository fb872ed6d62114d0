"""The rows of a table, whatever it is written in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_json import load_json_bytes
from fastload.errors import SourceError

__all__ = ["ENDINGS", "Row", "read_rows"]

ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

#: Where a row stands ("line 7"), and its values by column; or what is wrong with it.
Row = tuple[str, "dict[str, Any] | LabelError"]


def read_rows(name: str, data: bytes) -> tuple[list[str], Iterator[Row]]:
    """The columns of a table, and its rows.

    Args:
        name: the file's, whose ending says what it is.
        data: its bytes.

    Raises:
        SourceError: it is no table, or needs a package that is not there.
    """
    lower = name.lower()
    try:
        if lower.endswith(".parquet"):
            return _parquet(name, data)
        text = data.decode("utf-8-sig", "surrogateescape")
        if lower.endswith((".jsonl", ".ndjson")):
            return _json_lines(text)
        return _csv(text, "\t" if lower.endswith(".tsv") else ",")
    except LabelError as error:
        raise SourceError(f"{name}: {error}") from None


def _csv(text: str, delimiter: str) -> tuple[list[str], Iterator[Row]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip() for column in next(reader, [])]
    except csv.Error as error:
        raise LabelError(f"no valid CSV: {error}", 1) from None
    if len(set(columns)) != len(columns):
        raise LabelError(f"a column stands twice: {shown(columns)}", 1)

    def rows() -> Iterator[Row]:
        while True:
            first = reader.line_num + 1
            where = f"line {first}"
            try:
                values = next(reader, None)
            except csv.Error as error:
                # An open quote takes the lines up to the next one, or to the end, for one row.
                last = reader.line_num
                reach = f", in lines {first} to {last}" if last > first else ""
                yield where, LabelError(f"no valid CSV: {error}{reach}")
                continue
            if values is None:
                return
            if not values:
                continue
            if len(values) != len(columns):
                yield where, LabelError(f"expected {len(columns)} columns, found {len(values)}")
                continue
            yield where, dict(zip(columns, values, strict=True))

    return columns, rows()


def _json_lines(text: str) -> tuple[list[str], Iterator[Row]]:
    columns: dict[str, None] = {}
    found: list[Row] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            values = load_json_bytes(line.encode("utf-8", "surrogateescape"))
            if not isinstance(values, dict):
                raise LabelError(f"expected an object, found {shown(values)}")
        except LabelError as error:
            found.append((f"line {number}", LabelError(error.detail)))
            continue
        columns.update(dict.fromkeys(values))
        found.append((f"line {number}", values))
    return list(columns), iter(found)


def _parquet(name: str, data: bytes) -> tuple[list[str], Iterator[Row]]:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise SourceError(
            f"{name}: reading Parquet needs pyarrow: pip install 'fastload[parquet]'"
        ) from None
    try:
        file = parquet.ParquetFile(arrow.BufferReader(data))
        columns = list(file.schema_arrow.names)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise LabelError(f"no valid Parquet: {shown(str(error))}") from None
    if len(set(columns)) != len(columns):
        raise LabelError(f"a column stands twice: {shown(columns)}")

    def rows() -> Iterator[Row]:
        number = 0
        try:
            for batch in file.iter_batches():
                for values in batch.to_pylist():
                    number += 1
                    yield f"row {number}", values
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise SourceError(f"{name}: no valid Parquet: {shown(str(error))}") from None

    return columns, rows()
