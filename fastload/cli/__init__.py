"""The command ``fastload``."""

from __future__ import annotations

from fastload.cli.startup import main

__all__ = ["main"]
