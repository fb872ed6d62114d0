"""The commands as a whole: help, and completion in the shell."""

from __future__ import annotations

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from fastload.cli.main import main


@pytest.mark.parametrize("name", [None, *main.commands])
def test_help_has_examples_or_says_how_to_complete(name: str | None) -> None:
    found = CliRunner().invoke(main, ["--help"] if name is None else [name, "--help"])
    assert found.exit_code == 0
    assert ("_FASTLOAD_COMPLETE" if name is None else f"  fastload {name} ") in found.output


@pytest.mark.parametrize(
    ("typed", "incomplete", "expected"),
    [
        ([], "ver", ["verify"]),
        (["convert", "--layout"], "w", ["webdataset"]),
        (["merge"], "--cl", ["--classes"]),
    ],
)
def test_the_shell_completes(typed: list[str], incomplete: str, expected: list[str]) -> None:
    completion = BashComplete(main, {}, "fastload", "_FASTLOAD_COMPLETE")
    assert [item.value for item in completion.get_completions(typed, incomplete)] == expected


def test_every_option_has_a_help_text() -> None:
    for name, command in main.commands.items():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"fastload {name} {option.name}"
