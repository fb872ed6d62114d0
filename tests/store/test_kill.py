"""SIGKILL while packing, in short; ``tools/fuzz_store --kills`` is the long form."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.kill_packing import kill_often


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_whatever_was_acknowledged_is_there_and_the_end_is_the_same(tmp_path: Path) -> None:
    counts = kill_often(tmp_path, 40, seed=1)
    assert counts["packing"] > 5
