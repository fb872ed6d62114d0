"""``fastload split``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JSON, QUIET
from fastload.cli.exits import EXIT_HELP, guarded, remember_resume
from fastload.cli.figures import findings
from fastload.cli.stdout import show
from fastload.convert import Severity, SplitReport
from fastload.convert import split as split_store
from fastload.convert.counted import counted
from fastload.convert.names import printable
from fastload.convert.ratio_split import check_ratios

__all__ = ["split"]

EXAMPLES = """
\b
Examples:
  fastload split photos.lmdb photos              # by its named splits
  fastload split photos.lmdb photos --ratio train=0.9,val=0.1 --stratify
  fastload split photos.lmdb photos --list small=small.txt
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@click.argument("store", type=click.Path(exists=True))
@click.argument("out", type=click.Path())
@click.option(
    "--ratio",
    metavar="NAME=SHARE,...",
    help="Divide by shares that add up to 1, such as train=0.9,val=0.1, and not by named splits.",
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="NAME=FILE",
    help="A split of the photos whose names are the lines of FILE; may be given again.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="With --ratio.")
@click.option(
    "--stratify",
    is_flag=True,
    help="With --ratio: divide each class by itself; photos without a class by the rarest of their "
    "objects' classes.",
)
@click.option("--overwrite", is_flag=True, help="Replace stores that exist, once all is copied.")
@click.option("--restart", is_flag=True, help="Begin anew in place of going on.")
@JSON
@QUIET
@guarded
def split(
    store: str,
    out: str,
    ratio: str | None,
    lists: tuple[str, ...],
    seed: int,
    stratify: bool,
    overwrite: bool,
    restart: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Copy the photos and labels of STORE into one store a split, OUT-train.lmdb and so on.

    Records are copied as they are, and compared before a store is published. Which photos come into
    which split depends on their bytes and the seed; photos of the same bytes stay together. Run
    again after whatever interrupted it, the command goes on where it was.
    """
    if ratio is not None and lists:
        raise click.UsageError("--ratio, --list: choose one")
    if stratify and ratio is None:
        raise click.UsageError("--stratify: it is a way of --ratio")
    remember_resume("The same command goes on from there.")
    try:
        ratios = None if ratio is None else _ratios(ratio)
        files = dict(map(_pair, lists))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    names = {name: _lines(file) for name, file in files.items()} if files else None
    with Bar(shown=not quiet and not as_json) as bar:
        report = split_store(
            store,
            out,
            ratios=ratios,
            names=names,
            seed=seed,
            stratify=stratify,
            overwrite=overwrite,
            restart=restart,
            progress=bar,
        )
    if as_json:
        show(json.dumps(report.as_json(), indent=2))
    elif not quiet:
        show("\n".join(_summary(report)))


def _summary(report: SplitReport) -> list[str]:
    lines = [f"{printable(str(report.store))}, in {report.seconds:,.1f} s:"]
    for made in report.stores:
        where = printable(str(made.path))
        lines.append(f"  {counted(made.photos, 'photo')} in {where}  {made.content_hash}")
    if report.tally.count(Severity.NOTE):
        lines += ["Notes:", *findings(report.tally, Severity.NOTE)]
    return lines


def _ratios(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for item in text.split(","):
        name, share = _pair(item)
        if name in found:
            raise ValueError(f"ratio: {name!r} stands twice")
        try:
            found[name] = float(share)
        except ValueError:
            raise ValueError(f"ratio: expected a number for {name!r}, found {share!r}") from None
    check_ratios(found)
    return found


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals or not value:
        raise ValueError(f"expected NAME=VALUE, found {text!r}")
    return name, value


def _lines(file: str) -> list[str]:
    data = Path(file).read_bytes().decode("utf-8", "surrogateescape")
    return [line for line in data.replace("\r\n", "\n").split("\n") if line]
