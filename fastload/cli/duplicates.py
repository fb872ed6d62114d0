"""``fastload duplicates``."""

from __future__ import annotations

import json
import sys

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JOBS, JSON, PROBLEMS, QUIET
from fastload.cli.exits import EXIT_HELP, ExitCode, guarded, remember_resume
from fastload.cli.figures import findings
from fastload.cli.report_file import FindingsFile
from fastload.cli.stdout import show
from fastload.convert import DuplicateReport, Severity
from fastload.convert import duplicates as find_duplicates
from fastload.convert.counted import counted
from fastload.convert.names import printable
from fastload.convert.near_pairs import MOST_DISTANCE

__all__ = ["duplicates"]

EXAMPLES = """
\b
Examples:
  fastload duplicates photos.lmdb
  fastload duplicates photos-train.lmdb photos-val.lmdb --near 4
  fastload duplicates photos.lmdb --near 6 --problems repeated.jsonl --json
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@click.argument("stores", type=click.Path(exists=True), nargs=-1, required=True)
@click.option(
    "--near", type=click.IntRange(0, MOST_DISTANCE), metavar="BITS",
    help="Also find photos whose perceptual hashes differ in at most so many of 64 bits; needs "
    "imagehash. 0 to 15: 4 is careful, 8 finds more and errs more often.",
)  # fmt: skip
@JOBS
@PROBLEMS
@JSON
@QUIET
@guarded
def duplicates(
    stores: tuple[str, ...],
    near: int | None,
    jobs: int,
    problems: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Find photos that stand twice in STORES, and those that leak from one split into another.

    Exact duplicates are found without reading a photo. The exit code is 3 where photos leak.
    Nothing is changed; convert --dedupe leaves such photos out.
    """
    remember_resume("Nothing was changed.")
    with FindingsFile(problems) as on_finding, Bar(shown=not quiet and not as_json) as bar:
        report = find_duplicates(
            *stores, near=near, workers=jobs, progress=bar, on_finding=on_finding
        )
    if as_json:
        show(json.dumps(report.as_json(), indent=2))
    elif not quiet or report.leaks_count:
        show("\n".join(_lines(report)))
    if report.leaks_count:
        sys.exit(ExitCode.REFUSED)
    sys.exit(ExitCode.PARTLY if report.tally.count(Severity.PROBLEM) else ExitCode.DONE)


def _lines(report: DuplicateReport) -> list[str]:
    lines = [f"{counted(report.photos, 'photo')}, in {report.seconds:,.1f} s:"]
    lines.append(f"  {report.exact_duplicates:,} repeat another of their split, byte for byte")
    if report.near is not None:
        lines.append(
            f"  {report.near_duplicates:,} more are near to another of their split "
            f"(at most {report.near} of 64 bits apart)"
        )
    for what, leaks in (("byte for byte", report.exact_leaks), ("nearly", report.near_leaks)):
        for (one, other), count in leaks.items():
            names = printable(other), printable(one)
            lines.append(f"  {count:,} of {names[0]} stand in {names[1]} too, {what}")
    if not report.leaks_count:
        lines.append("  none leaks from one split into another")
    if report.unhashed:
        lines.append(f"  {report.unhashed:,} could not be compared: all but one colour, or damaged")
    for severity, title in (
        (Severity.PROBLEM, "Leaks and problems:"),
        (Severity.NOTE, "Repeated:"),
    ):
        if report.tally.count(severity):
            lines += [title, *findings(report.tally, severity)]
    return lines
