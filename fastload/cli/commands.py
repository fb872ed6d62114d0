"""The group of commands, each of which is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module

import click
from click.shell_completion import CompletionItem

from fastload.version import __version__

__all__ = ["COMMANDS", "main"]

COMPLETION = """
\b
Completion of commands and options, in ~/.bashrc (or with zsh_source, fish_source):
  eval "$(_FASTLOAD_COMPLETE=bash_source fastload)"
"""

#: What ``fastload --help`` says of each command: the first sentence of its own help, in short. To
#: import them all for it would take half a second.
COMMANDS = {
    "convert": "Pack the photos of SOURCE, and their labels, into the store OUT.",
    "duplicates": "Find photos that stand twice in STORES, or leak between splits.",
    "inspect": "Show what is in STORE: photos, sizes, classes, labels, problems.",
    "merge": "Copy the photos and labels of all STOREs into the store OUT.",
    "split": "Copy the photos and labels of STORE into one store a split.",
    "unpack": "Write every original file of STORE below FOLDER.",
    "verify": "Check every photo in STORE, and that its original file comes back.",
}


class _Commands(click.Group):
    """Names its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"fastload.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=text)
            for name, text in COMMANDS.items()
            if name.startswith(incomplete)
        ]
        return found + click.Command.shell_complete(self, ctx, incomplete)


@click.group(
    cls=_Commands,
    epilog=COMPLETION,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="fastload")
def main() -> None:
    """Photos packed into one LMDB file, for training."""
