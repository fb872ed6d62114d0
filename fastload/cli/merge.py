"""``fastload merge``."""

from __future__ import annotations

import json

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JSON, QUIET
from fastload.cli.exits import EXIT_HELP, guarded, remember_resume
from fastload.cli.figures import findings, size
from fastload.cli.stdout import show
from fastload.convert import MergeReport, Severity
from fastload.convert import merge as merge_stores
from fastload.convert.counted import counted
from fastload.convert.merge_plan import CLASSES, DUPLICATES, SPLITS
from fastload.convert.names import printable

__all__ = ["merge"]

EXAMPLES = """
\b
Examples:
  fastload merge monday.lmdb tuesday.lmdb both.lmdb --classes union
  fastload merge cats.lmdb dogs.lmdb pets.lmdb --classes union --prefix
  fastload merge part1.lmdb part2.lmdb all.lmdb --splits stores
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@click.argument("stores", nargs=-1, required=True, metavar="STORE...", type=click.Path(exists=True))
@click.argument("out", type=click.Path())
@click.option(
    "--classes",
    type=click.Choice(CLASSES),
    default="same",
    show_default=True,
    help="Whether all stores must have the same classes (by name, in whatever order), or OUT has "
    "those of all.",
)
@click.option(
    "--splits",
    type=click.Choice(SPLITS),
    default="keep",
    show_default=True,
    help="Keep named splits, make each store one, or have none.",
)
@click.option(
    "--duplicates",
    type=click.Choice(DUPLICATES),
    default="error",
    show_default=True,
    help="What to do about names that stand in more than one store.",
)
@click.option("--prefix", is_flag=True, help="Put the name of a store before the names in it.")
@click.option("--overwrite", is_flag=True, help="Replace OUT where it exists, once all is copied.")
@click.option("--restart", is_flag=True, help="Begin anew in place of going on.")
@JSON
@QUIET
@guarded
def merge(
    stores: tuple[str, ...],
    out: str,
    classes: str,
    splits: str,
    duplicates: str,
    prefix: bool,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Copy the photos and labels of all STOREs into the store OUT.

    Records are copied as they are, and compared before OUT is published. Run again after whatever
    interrupted it, the command goes on where it was.
    """
    remember_resume("The same command goes on from there.")
    with Bar(shown=not quiet and not as_json) as bar:
        report = merge_stores(
            stores,
            out,
            classes=classes,
            splits=splits,
            duplicates=duplicates,
            prefix=prefix,
            overwrite=overwrite,
            restart=restart,
            progress=bar,
        )
    if as_json:
        show(json.dumps(report.as_json(), indent=2))
    elif not quiet:
        show("\n".join(_lines(report)))


def _lines(report: MergeReport) -> list[str]:
    out = printable(str(report.destination))
    lines = [
        f"{counted(report.photos, 'photo')} of {counted(len(report.stores), 'store')} in {out}",
        f"  classes  {len(report.class_names):,}"
        + (f"; splits {', '.join(map(printable, report.split_names))}"
           if report.split_names else ""),
        f"  size     {size(report.store_bytes)}, in {report.seconds:,.1f} s",
        f"  hash     {report.content_hash}",
    ]  # fmt: skip
    if report.left_out:
        photos = counted(report.left_out, "photo")
        lines.append(f"  left out {photos} of a name that another store has too")
    if report.tally.count(Severity.NOTE):
        lines += ["Notes:", *findings(report.tally, Severity.NOTE)]
    return lines
