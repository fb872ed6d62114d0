"""The checkpoint benchmark runs on a small state and verifies what was written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "checkpoint.py"


@pytest.mark.slow
def test_every_way_of_saving_is_measured_and_verified(tmp_path: Path):
    """Two rounds of 3 MB; no time is asserted."""
    path = tmp_path / "figures.json"
    command = [sys.executable, str(SCRIPT), "--mb", "3", "--rounds", "2", "--step-ms", "1"]
    command += ["--json", str(path), "--folder", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(path.read_text())
    assert content["machine"]["cores"] > 0
    assert content["versions"]["fastload"]
    (size,) = content["sizes"]
    assert size["tensors"] == 768
    assert set(size["rows"]) == {
        "torch", "dcp", "dcp-kept", "lightning", "fastload-thread", "fastload-process"
    }  # fmt: skip
    for rounds in size["rows"].values():
        assert len(rounds) == 2
        assert all(figures["blocked"] > 0 and figures["total"] > 0 for figures in rounds)
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"]
