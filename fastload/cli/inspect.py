"""``fastload inspect``."""

from __future__ import annotations

import json

import click

from fastload.cli.choices import JSON, STORE
from fastload.cli.exits import EXIT_HELP, guarded
from fastload.cli.figures import counts, findings, size
from fastload.convert import Inspection, Severity
from fastload.convert import inspect as inspect_store
from fastload.convert.names import printable

__all__ = ["inspect"]

CLASSES_SHOWN = 20
BAR_WIDTH = 40


@click.command(epilog=EXIT_HELP)
@STORE
@JSON
@guarded
def inspect(store: str, as_json: bool) -> None:
    """Show what is in STORE: photos, sizes, codecs, classes, splits, problems."""
    found = inspect_store(store)
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        click.echo("\n".join(_lines(found)))


def _lines(found: Inspection) -> list[str]:
    header, contents = found.header, found.contents
    growth = 100 * (found.store_bytes / contents.source_bytes - 1) if contents.source_bytes else 0
    lines = [
        f"{printable(str(found.path))}: {contents.photos:,} photos of {printable(header.source)}",
        f"  made by   {printable(header.created_by)}, format {header.format_version}",
        f"  size      {size(contents.source_bytes)} -> {size(found.store_bytes)} ({growth:+.1f} %)",
        f"  codecs    {counts(contents.codecs)}",
        f"  formats   {counts(contents.formats)}",
    ]
    if contents.splits:
        lines.append(f"  splits    {counts(contents.splits)}")
    for key, (height, width) in found.sides_quantiles.items():
        lines.append(f"  {key:9} height {height:,}, width {width:,}")
    if found.turned:
        lines.append(f"  {found.turned:,} photos have an EXIF orientation that turns them")
    if contents.labels:
        lines.append(f"  labels    {contents.objects:,} objects; labels {counts(contents.labels)}")
    if contents.with_warnings:
        lines.append(f"  {contents.with_warnings:,} photos decode with warnings")
    lines += _histogram("Longer side in pixels:", found.sides)
    if found.class_counts:
        shown = dict(list(found.class_counts.items())[:CLASSES_SHOWN])
        lines += _histogram(f"{len(found.class_counts):,} classes:", shown)
        if len(found.class_counts) > CLASSES_SHOWN:
            lines.append("  ... (--json has them all)")
    if header.problems_count:
        lines.append(f"{header.problems_count:,} files could not be packed:")
        lines += findings(found.tally, Severity.PROBLEM)
    return lines


def _histogram(title: str, values: dict[str, int]) -> list[str]:
    largest = max(values.values(), default=0) or 1
    names = {name: printable(name) for name in values}
    width = min(30, max(map(len, names.values()), default=0))
    return [title] + [
        f"  {names[name]:{width}} {count:>9,} {'#' * round(BAR_WIDTH * count / largest)}".rstrip()
        for name, count in values.items()
    ]
