"""10,000 seeded mutations of files and records, the short form of ``tools/fuzz_jpeg``."""

from __future__ import annotations

from collections import Counter

import pytest

from support.fuzz import run_in_processes

CASES = 10_000


@pytest.mark.slow
def test_mutations_end_as_pillow_says_or_as_a_decode_error() -> None:
    found: Counter[str] = Counter()
    for part in run_in_processes(20_240, CASES):
        found += part
    assert found.total() == CASES
    assert found["lenient"] < CASES // 2000
    # Mutations that no longer reach the decoders would prove nothing.
    for outcome in ("tiled", "own bytes", "damaged", "record decoded", "record refused"):
        assert found[outcome] > CASES // 100, f"{outcome}: {found}"
