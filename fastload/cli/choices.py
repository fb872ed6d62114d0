"""Options that several commands share."""

from __future__ import annotations

import os
from typing import Any

import click

from fastload.convert.sources.webdataset import is_pattern

__all__ = ["JOBS", "JSON", "PROBLEMS", "QUIET", "STORE", "SourcePath"]


class SourcePath(click.Path):
    """What is packed: a path that exists, or a pattern of tars, ``train-{000..099}.tar``."""

    def __init__(self) -> None:
        super().__init__(exists=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Raises click.BadParameter where there is nothing."""
        return str(value) if is_pattern(str(value)) else super().convert(value, param, ctx)


class StorePath(click.Path):
    """A store: a file or a folder of shards that exists, or the URL of such a folder."""

    def __init__(self) -> None:
        super().__init__(exists=True)

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> str | bytes | os.PathLike[str]:
        """Raises click.BadParameter where there is nothing."""
        return str(value) if "://" in str(value) else super().convert(value, param, ctx)


JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors.")
JOBS = click.option(
    "-j", "--jobs", type=click.IntRange(0), default=0, help="Threads (default: all cores)."
)
PROBLEMS = click.option(
    "--problems", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write every problem and note to FILE, one JSON object a line.",
)  # fmt: skip
STORE = click.argument("store", type=StorePath())
