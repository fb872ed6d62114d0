"""Options that divide a store into shards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

from fastload.convert.packer import ENGINES
from fastload.convert.shares import Sharding

__all__ = ["ByteSize", "sharding_of", "sharding_options"]

F = TypeVar("F", bound=Callable[..., Any])

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class ByteSize(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.4
    """A number of bytes: ``500000``, ``1GB`` (1000 to the third), ``512MiB``."""

    name = "SIZE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Raises click.BadParameter where it is none, or not above 0."""
        found = value if isinstance(value, int) else self._parse(str(value))
        if not found or found <= 0:
            self.fail(f"expected a size such as 500MB or 1GB, found {value!r}", param, ctx)
        return found

    @staticmethod
    def _parse(text: str) -> int | None:
        match = _SIZE.fullmatch(text.strip())
        if match is None:
            return None
        number, unit, binary = match.groups()
        return int(float(number) * (1024 if binary else 1000) ** _POWERS[unit.lower()])


def sharding_options(command: F) -> F:
    """``--shards``, ``--shard-bytes``, ``--deal`` and ``--engine``."""
    for option in reversed((
        click.option(
            "--shards", type=click.IntRange(1), metavar="N",
            help="Make OUT a folder of N stores that opens as one. With --update and neither this "
            "nor --shard-bytes, a folder stays divided as it is.",
        ),
        click.option(
            "--shard-bytes", type=ByteSize(),
            help="The same, with about so many bytes of SOURCE in each, such as 1GB.",
        ),
        click.option(
            "--deal", is_flag=True,
            help="Deal photos to the shards in turn, so that each has its share of every class, "
            "in place of giving each those that follow each other.",
        ),
        click.option(
            "--engine", type=click.Choice(ENGINES), default=ENGINES[0], show_default=True,
            help="Pack shards one by one on this machine, or as tasks of a Ray cluster.",
        ),
    )):  # fmt: skip
        command = option(command)
    return command


def sharding_of(
    shards: int | None, shard_bytes: int | None, deal: bool, engine: str, update: bool
) -> Sharding | None:
    """How the user wants OUT divided; None: not at all, or with ``update`` as it is.

    Args:
        shards, shard_bytes, deal, engine, update: as given.

    Raises:
        click.UsageError: options that do not go together.
    """
    if shards is None and shard_bytes is None:
        if deal or (engine != ENGINES[0] and not update):
            raise click.UsageError(
                "--deal, --engine: expected them with --shards or --shard-bytes, since one file is "
                "not divided"
            )
        return None
    if shards is not None and shard_bytes is not None:
        raise click.UsageError("--shards, --shard-bytes: either says how many there are; choose")
    return Sharding(shards or 0, shard_bytes or 0, deal)
