"""``fastload unpack``."""

from __future__ import annotations

import json
import sys

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JOBS, JSON, PROBLEMS, QUIET, STORE
from fastload.cli.exits import EXIT_HELP, ExitCode, guarded, remember_resume
from fastload.cli.figures import findings, size
from fastload.cli.report_file import FindingsFile
from fastload.cli.stdout import show
from fastload.convert import Severity
from fastload.convert import unpack as unpack_store
from fastload.convert.counted import counted, tallied
from fastload.convert.layouts import TARGET_LAYOUTS
from fastload.convert.names import printable

__all__ = ["unpack"]

EXAMPLES = """
\b
Examples:
  fastload unpack photos.lmdb somewhere/
  fastload unpack voc2012.lmdb voc2012-yolo/ --layout yolo
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@STORE
@click.argument("folder", type=click.Path(file_okay=False))
@click.option(
    "--layout",
    type=click.Choice(TARGET_LAYOUTS),
    help="Write the labels as this layout has them, in place of the files that they came in.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there with other bytes.")
@JOBS
@PROBLEMS
@JSON
@QUIET
@guarded
def unpack(
    store: str,
    folder: str,
    layout: str | None,
    overwrite: bool,
    jobs: int,
    problems: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write every original file of STORE below FOLDER: its bytes, path, time and permissions.

    With --layout, photos still come back byte for byte, and labels are converted; what the layout
    cannot hold is listed and counted. Of a store that was made with --max-side, smaller photos come
    back as the JPEGs that they became, and never in the place of another file; of one that was made
    with --format raw, no photo does.
    """
    remember_resume("The same command goes on: files that are complete stay.")
    with FindingsFile(problems) as on_finding, Bar(shown=not quiet and not as_json) as bar:
        report = unpack_store(
            store,
            folder,
            layout=layout or "",
            overwrite=overwrite,
            workers=jobs,
            progress=bar,
            on_finding=on_finding,
        )
    if as_json:
        show(json.dumps(report.as_json(), indent=2))
    elif not quiet:
        seconds = max(report.seconds, 1e-9)
        rate = f"{size(report.file_bytes / seconds)}/s"
        files = f"{counted(report.files, 'file')} ({size(report.file_bytes)})"
        there = counted(report.unchanged, "was", "were")
        show(
            f"{files} in {printable(report.folder)}, {rate}"
            + (f"; {there} there already" if report.unchanged else "")
        )
        if report.lost:
            show(f"What {report.layout} cannot hold:")
            for what, count in report.lost.items():
                show(f"  {tallied(printable(what), count)}")
        if report.problems_count:
            show(f"{counted(report.problems_count, 'file')} could not be given back:")
            show("\n".join(findings(report.tally, Severity.PROBLEM)))
    sys.exit(ExitCode.PARTLY if report.problems_count else ExitCode.DONE)
