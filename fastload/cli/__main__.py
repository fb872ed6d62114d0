"""``python -m fastload.cli``."""

from __future__ import annotations

from fastload.cli.main import main

main()
