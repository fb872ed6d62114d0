"""The scripts of ``benchmarks/``, run on a few photos."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Finished", "run_benchmark"]

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@dataclass(frozen=True)
class Finished:
    """A benchmark that has come to its end.

    Attributes:
        folder: its own; ``{folder}`` in its arguments.
        status: what it ended with.
        printed: its standard output.
        errors: its standard error.
    """

    folder: Path
    status: int
    printed: str
    errors: str

    def figures(self) -> dict[str, Any]:
        """What it wrote with ``--json``: the machine and the versions are always among it."""
        content: dict[str, Any] = json.loads((self.folder / "figures.json").read_text())
        assert content["machine"]["cores"] > 0
        assert content["versions"]["fastload"]
        return content


def run_benchmark(words: list[str], folder: Path) -> Finished:
    """Run a script, named first, with its arguments."""
    command = [sys.executable, str(BENCHMARKS / words[0]), *words[1:]]
    command += ["--json", str(folder / "figures.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return Finished(folder, done.returncode, done.stdout, done.stderr)
