"""Options that several commands share."""

from __future__ import annotations

import click

__all__ = ["JOBS", "JSON", "PROBLEMS", "QUIET", "STORE"]

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
QUIET = click.option("-q", "--quiet", is_flag=True, help="Show nothing but errors.")
JOBS = click.option(
    "-j", "--jobs", type=click.IntRange(0), default=0, help="Threads (default: all cores)."
)
PROBLEMS = click.option(
    "--problems", type=click.Path(dir_okay=False), metavar="FILE",
    help="Write every problem and note to FILE, one JSON object a line.",
)  # fmt: skip
STORE = click.argument("store", type=click.Path(exists=True, dir_okay=False))
