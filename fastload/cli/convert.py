"""``fastload convert``."""

from __future__ import annotations

import json
import sys

import click

from fastload.cli.bar import Bar
from fastload.cli.choices import JOBS, JSON, PROBLEMS, QUIET, SourcePath
from fastload.cli.exits import EXIT_HELP, ExitCode, guarded, remember_resume
from fastload.cli.packed import summary_lines
from fastload.cli.report_file import FindingsFile
from fastload.cli.sharding import sharding_of, sharding_options
from fastload.cli.stdout import show
from fastload.convert import PackOptions, ProblemsFoundError, pack
from fastload.convert.files import DEFAULT_MAX_FILE_BYTES, MAX_FILE_BYTES
from fastload.convert.near_pairs import MOST_DISTANCE
from fastload.convert.options import (
    DEDUPE_CHOICES,
    DEFAULT_NEAR,
    DEFAULT_QUALITY,
    FORMATS,
    TILE_CHOICES,
)
from fastload.convert.sources import LAYOUTS, PROFILES

__all__ = ["convert"]

EXAMPLES = """
\b
Examples:
  fastload convert photos/ photos.lmdb
  fastload convert imagenet/ imagenet.lmdb --split-stores --problems bad.jsonl
  fastload convert coco128.yaml coco128.lmdb --labels yolov5
  fastload convert "imagenet-train-{000000..000146}.tar" imagenet.lmdb
  fastload convert photos/ photos.lmdb --dedupe exact --problems left-out.jsonl
  fastload convert photos/ small.lmdb --max-side 512 --quality 90
  fastload convert imagenet/ shards/ --shard-bytes 1GB --deal
  fastload convert photos/ photos.lmdb --update --dry-run
  fastload convert imagenet/ shards/ --update
  fastload convert photos/ photos.lmdb --json --strict && fastload verify photos.lmdb
"""


@click.command(epilog=EXAMPLES + EXIT_HELP)
@click.argument("source", type=SourcePath())
@click.argument("out", type=click.Path())
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default="auto",
    show_default=True,
    help="How SOURCE is laid out.",
)
@click.option(
    "--labels",
    type=click.Choice(PROFILES),
    default="ultralytics",
    show_default=True,
    help="Whose rules for doubtful YOLO labels count.",
)
@click.option(
    "--split-stores",
    is_flag=True,
    help="One store a split, OUT-train.lmdb and so on, in place of named splits in one; of shards, "
    "one folder a split.",
)
@sharding_options
@click.option(
    "--tile",
    type=click.Choice(TILE_CHOICES),
    default="auto",
    show_default=True,
    help="Transcode JPEGs, without loss, to tiles that can be decoded alone; or keep all "
    "files' own bytes.",
)
@click.option(
    "--max-side",
    type=click.IntRange(1),
    metavar="PIXELS",
    help="Reduce photos whose longer side has more pixels, and encode them anew, as JPEG: their "
    "own bytes are not in OUT.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    help=f"Of the JPEGs that --max-side makes.  [default: {DEFAULT_QUALITY}]",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="original",
    show_default=True,
    help="Keep files; or only their pixels, which take far more room and no decoding.",
)
@click.option(
    "--dedupe",
    type=click.Choice(DEDUPE_CHOICES),
    help="Leave out photos that repeat others, byte for byte, or also those that nearly do (needs "
    "imagehash). What stands in several splits is kept in test, else val, else train.",
)
@click.option(
    "--near",
    type=click.IntRange(0, MOST_DISTANCE),
    metavar="BITS",
    help="Bits of 64 that --dedupe near lets perceptual hashes differ in.  "
    f"[default: {DEFAULT_NEAR}]",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT where it exists, once all is packed.")
@click.option(
    "--restart",
    is_flag=True,
    help="Begin anew in place of going on with what an interrupted run has packed.",
)
@click.option(
    "--update",
    is_flag=True,
    help="Bring OUT, where it exists, to what SOURCE has now: only what is new or changed is "
    "packed, what is gone is dropped, all else is copied.",
)
@click.option(
    "--checksum",
    is_flag=True,
    help="With --update, read all files; without, those of the same name, size, time and "
    "permissions are taken to be unchanged.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Write nothing: read and pack each file, and say what would be in OUT.",
)
@click.option("--strict", is_flag=True, help="Publish nothing where any file cannot be packed.")
@click.option(
    "--follow-links",
    is_flag=True,
    help="Follow links and paths that lead out of SOURCE.",
)
@click.option(
    "--extension",
    "extensions",
    multiple=True,
    metavar="EXT",
    help="Also pack files of this ending, such as .gif; may be given again.",
)
@click.option(
    "--max-file-bytes",
    type=click.IntRange(1, MAX_FILE_BYTES),
    default=DEFAULT_MAX_FILE_BYTES,
    show_default=True,
    help="Larger files are reported, and not packed.",
)
@JOBS
@PROBLEMS
@JSON
@QUIET
@guarded
def convert(
    source: str,
    out: str,
    layout: str,
    labels: str,
    split_stores: bool,
    shards: int | None,
    shard_bytes: int | None,
    deal: bool,
    engine: str,
    tile: str,
    max_side: int | None,
    quality: int | None,
    format: str,
    dedupe: str | None,
    near: int | None,
    overwrite: bool,
    restart: bool,
    update: bool,
    checksum: bool,
    dry_run: bool,
    strict: bool,
    follow_links: bool,
    extensions: tuple[str, ...],
    max_file_bytes: int,
    jobs: int,
    problems: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Pack the photos of SOURCE, and their labels, into the store OUT.

    SOURCE is a folder with a folder a class (as torchvision's ImageFolder wants it), train/val/test
    folders with those in them, or just photos; or a YOLO, COCO or Pascal VOC data set: its folder,
    or its yaml or JSON; or a folder of WebDataset tars, or one, or a pattern of several; or an
    image set of Hugging Face (save_to_disk, or Parquet); or a table or list of paths.
    docs/layouts.md describes each. Every file's bytes can be had back, unless --max-side or
    --format raw give them up. Run again after whatever interrupted it, the command goes on where it
    was; nothing in SOURCE is written.
    """
    if checksum and not update:
        raise click.UsageError("--checksum: it is a way of --update")
    if update and overwrite:
        raise click.UsageError("--update, --overwrite: OUT is replaced by either; choose one")
    if quality is not None and (max_side is None or format == "raw"):
        raise click.UsageError("--quality: it is that of the JPEGs which --max-side makes")
    sharding = sharding_of(shards, shard_bytes, deal, engine, update)
    if near is not None and dedupe != "near":
        raise click.UsageError("--near: expected it together with --dedupe near")
    options = PackOptions(
        layout=layout,
        tile=tile,
        max_side=max_side or 0,
        quality=quality or DEFAULT_QUALITY,
        format=format,
        dedupe=dedupe or "",
        near=DEFAULT_NEAR if near is None else near,
        labels=labels,
        follow_links=follow_links,
        extensions=extensions,
        max_file_bytes=max_file_bytes,
        workers=jobs,
        overwrite=overwrite,
        restart=restart,
        strict=strict,
        update=update,
        checksum=checksum,
        dry_run=dry_run,
    )
    again = "The same command, without --restart," if restart else "The same command"
    remember_resume("Nothing was written." if dry_run else f"{again} goes on from there.")
    code = ExitCode.DONE
    with FindingsFile(problems, source) as on_finding, Bar(shown=not quiet and not as_json) as bar:
        try:
            summary = pack(
                source, out, options, split_stores=split_stores, sharding=sharding,
                engine=engine, progress=bar, on_finding=on_finding,
            )  # fmt: skip
        except ProblemsFoundError as error:
            summary, code = error.summary, ExitCode.REFUSED
    if code is ExitCode.DONE and summary.problems_count:
        code = ExitCode.PARTLY
    if as_json:
        show(json.dumps(summary.as_json(), indent=2))
    elif not quiet:
        show("\n".join(summary_lines(summary, refused=code is ExitCode.REFUSED)))
    sys.exit(code)
