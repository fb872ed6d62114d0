"""The command ``fastload``."""

from __future__ import annotations

from fastload.cli.main import main

__all__ = ["main"]
