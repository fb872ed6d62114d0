"""The commands as a whole: help, completion in the shell, and starting."""

from __future__ import annotations

import signal
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from fastload.cli.commands import COMMANDS, main


@pytest.mark.parametrize("name", [None, *COMMANDS])
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
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, f"fastload {name} {option.name}"


def test_commands_are_listed_with_how_their_help_begins() -> None:
    found = CliRunner().invoke(main, ["--help"]).output
    for name, text in COMMANDS.items():
        assert f"  {name}" in found
        assert text in found
        command = main.get_command(click.Context(main), name)
        assert command is not None
        words = text.rstrip(".").replace(",", "").split()
        assert (command.help or "").replace(",", "").split()[:4] == words[:4]


def run(program: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_help_imports_neither_torch_nor_what_packs() -> None:
    program = (
        "import sys; sys.argv = ['fastload', '--help']; from fastload.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({'torch', 'numpy', 'PIL', 'rich'} & set(sys.modules)))"
    )
    done = run(program)
    assert done.stdout.endswith("[]\n"), done


@pytest.mark.parametrize("module", ["fastload.version", "fastload.cli.convert", "numpy"])
def test_an_interrupt_while_it_starts_is_quiet(module: str) -> None:
    """Sent by the import itself, so that it comes while that is under way."""
    program = (
        "import os, signal, sys\n"
        "class Interrupting:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}: os.kill(os.getpid(), signal.SIGINT)\n"
        "from fastload.cli import main\n"
        "sys.meta_path.insert(0, Interrupting())\n"
        "sys.argv = ['fastload', 'convert', '--help']\n"
        "main()"
    )
    done = run(program)
    assert (done.returncode, done.stdout, done.stderr) == (128 + signal.SIGINT, "", "")
