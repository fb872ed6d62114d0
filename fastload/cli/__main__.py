"""``python -m fastload.cli``."""

from __future__ import annotations

from fastload.cli.startup import main

main()
