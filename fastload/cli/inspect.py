"""``fastload inspect``."""

from __future__ import annotations

import json
import sys

import click
from rich.console import Console

from fastload.cli.choices import JSON, STORE
from fastload.cli.exits import EXIT_HELP, ExitCode, guarded
from fastload.cli.figures import counts, findings, given_up, growth
from fastload.cli.histograms import histogram, histograms
from fastload.cli.stdout import show
from fastload.convert import ContactSheet, Inspection, Severity, contact_sheet, plot_histograms
from fastload.convert import inspect as inspect_store
from fastload.convert.counted import counted
from fastload.convert.names import printable
from fastload.convert.sheet import MOST_PHOTOS

__all__ = ["inspect"]

EXAMPLES = """
\b
Examples:
  fastload inspect photos.lmdb
  fastload inspect photos.lmdb --contact-sheet sheet.png --count 25 --seed 7
  fastload inspect photos.lmdb --histograms spread.png --json
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@STORE
@click.option(
    "--contact-sheet", "sheet", type=click.Path(dir_okay=False), metavar="OUT",
    help="Draw some photos with their labels into the picture OUT, such as sheet.png.",
)  # fmt: skip
@click.option(
    "--count", type=click.IntRange(1, MOST_PHOTOS), default=16, show_default=True,
    help="Photos on the contact sheet.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True,
    help="Which photos: the same number chooses the same.",
)  # fmt: skip
@click.option(
    "--histograms", "plot", type=click.Path(dir_okay=False), metavar="OUT",
    help="Draw the histograms into the picture OUT; needs matplotlib.",
)  # fmt: skip
@JSON
@guarded
def inspect(
    store: str, sheet: str | None, count: int, seed: int, plot: str | None, as_json: bool
) -> None:
    """Show what is in STORE: photos, sizes, codecs, classes, splits, objects, problems.

    Only the contact sheet reads photos. Photos and labels on it are turned upright.
    """
    found = inspect_store(store)
    if plot is not None:
        plot_histograms(found, plot)
    drawn = None if sheet is None else contact_sheet(store, sheet, count=count, seed=seed)
    if as_json:
        document = found.as_json()
        if drawn is not None:
            document["contact_sheet"] = {
                "samples": list(drawn.samples),
                "problems": drawn.tally.as_json(Severity.PROBLEM),
            }
        show(json.dumps(document, indent=2))
    else:
        _show(found, drawn, [path for path in (plot, sheet) if path is not None])
    if drawn is not None and drawn.tally.count(Severity.PROBLEM):
        sys.exit(ExitCode.PARTLY)


def _show(found: Inspection, drawn: ContactSheet | None, written: list[str]) -> None:
    show("\n".join(_lines(found)))
    console = Console(highlight=False, markup=False, emoji=False)
    with console.capture() as drawn_text:
        console.print(histogram(console, "Longer side, pixels", found.sides))
        console.print(histograms(console, found.histograms))
    show(drawn_text.get(), newline=False)
    if found.header.problems_count:
        show(f"{counted(found.header.problems_count, 'file')} could not be packed:")
        show("\n".join(findings(found.tally, Severity.PROBLEM)))
    if drawn is not None and drawn.tally.count(Severity.PROBLEM):
        show(f"{counted(drawn.tally.count(Severity.PROBLEM), 'photo')} could not be drawn:")
        show("\n".join(findings(drawn.tally, Severity.PROBLEM)))
    for path in written:
        show(f"written: {printable(path)}")


def _lines(found: Inspection) -> list[str]:
    header, contents = found.header, found.contents
    photos = counted(contents.photos, "photo")
    lines = [
        f"{printable(found.location)}: {photos} of {printable(header.source)}",
        f"  made by   {printable(header.created_by)}, format {header.format_version}",
        f"  size      {growth(contents, found.store_bytes)}",
        f"  codecs    {counts(contents.codecs)}",
        f"  formats   {counts(contents.formats)}",
        *given_up(contents, 9),
    ]
    if contents.splits:
        lines.append(f"  splits    {counts(contents.splits)}")
    for key, (height, width) in found.sides_quantiles.items():
        lines.append(f"  {key:9} height {height:,}, width {width:,}")
    if found.turned:
        some = counted(found.turned, "photo is", "photos are")
        lines.append(f"  {some} turned by an EXIF orientation")
    if contents.labels:
        objects = counted(contents.objects, "object")
        lines.append(f"  labels    {objects}; labels {counts(contents.labels)}")
    if contents.with_warnings:
        some = counted(contents.with_warnings, "photo decodes", "photos decode")
        lines.append(f"  {some} with warnings")
    if found.unclassed:
        lines.append(f"  {counted(found.unclassed, 'photo has', 'photos have')} no class")
    return lines
