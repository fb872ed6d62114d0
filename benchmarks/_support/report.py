"""Tables for people, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table; the first column is text, the others are numbers."""
    made = Table(title=title, title_justify="left")
    for i, column in enumerate(columns):
        made.add_column(column, justify="left" if i == 0 else "right", no_wrap=i == 0)
    for row in rows:
        made.add_row(*row)
    Console(width=None if Console().is_terminal else 120).print(made)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write the figures of a run."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
