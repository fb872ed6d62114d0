"""The group of commands."""

from __future__ import annotations

import click

from fastload.cli.convert import convert
from fastload.cli.duplicates import duplicates
from fastload.cli.inspect import inspect
from fastload.cli.merge import merge
from fastload.cli.split import split
from fastload.cli.unpack import unpack
from fastload.cli.verify import verify
from fastload.version import __version__

__all__ = ["main"]

COMPLETION = """
\b
Completion of commands and options, in ~/.bashrc (or with zsh_source, fish_source):
  eval "$(_FASTLOAD_COMPLETE=bash_source fastload)"
"""


@click.group(
    epilog=COMPLETION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fastload")
def main() -> None:
    """Photos packed into one LMDB file, for training."""


for _command in (convert, duplicates, inspect, merge, split, unpack, verify):
    main.add_command(_command)
