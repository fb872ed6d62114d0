"""``fastload verify``."""

from __future__ import annotations

import json
import sys

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JOBS, JSON, PROBLEMS, QUIET, STORE, SourcePath
from fastload.cli.exits import EXIT_HELP, ExitCode, guarded, remember_resume
from fastload.cli.figures import findings, size
from fastload.cli.report_file import FindingsFile
from fastload.cli.stdout import show
from fastload.convert import Severity
from fastload.convert import verify as verify_store
from fastload.convert.counted import counted

__all__ = ["verify"]

EXAMPLES = """
\b
Examples:
  fastload verify photos.lmdb
  fastload verify photos.lmdb --source photos/ --deep
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@STORE
@click.option(
    "--source",
    type=SourcePath(),
    metavar="SOURCE",
    help="Also compare with the files of SOURCE, as convert was given it, byte for byte.",
)
@click.option(
    "--deep",
    is_flag=True,
    help="Also compare all pixels with what Pillow decodes from the original file.",
)
@JOBS
@PROBLEMS
@JSON
@QUIET
@guarded
def verify(
    store: str,
    source: str | None,
    deep: bool,
    jobs: int,
    problems: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Check every photo in STORE: checksums, decoding, and that its original file comes back."""
    remember_resume("Nothing was changed.")
    with FindingsFile(problems, source) as on_finding, Bar(shown=not quiet and not as_json) as bar:
        report = verify_store(
            store, source, deep=deep, workers=jobs, progress=bar, on_finding=on_finding
        )
    if as_json:
        show(json.dumps(report.as_json(), indent=2))
    elif not quiet or report.differences_count:
        photos = f"{counted(report.photos, 'photo')}, {size(report.source_bytes)}"
        differences = counted(report.differences_count, "difference")
        show(
            f"{photos}, in {report.seconds:,.1f} s: "
            + (differences if report.differences_count else "all as packed")
        )
        show(
            "".join(f"{line}\n" for line in findings(report.tally, Severity.PROBLEM)), newline=False
        )
    sys.exit(ExitCode.REFUSED if report.differences_count else ExitCode.DONE)
