"""The short form of tools/torture_convert and tools/full_disk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"


def run_tool(name: str, *options: str) -> str:
    done = subprocess.run([sys.executable, TOOLS / name, *options], capture_output=True, text=True,
                          timeout=200, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("layout", "kills"), [("imagefolder", "20"), ("yolo", "10"), ("coco", "5"), ("webdataset", "5")]
)
def test_forty_kills_lose_nothing(layout: str, kills: str) -> None:
    """Whatever is killed, all acknowledged photos stay, and the end is as uninterrupted."""
    options = ["--kills", kills, "--photos", "40", "--layout", layout]
    assert f"{kills} kills" in run_tool("torture_convert.py", *options)


@pytest.mark.slow
def test_a_full_disk_is_said_and_survived() -> None:
    """Five levels of filling: "no space", the earlier store is whole, and packing goes on."""
    assert run_tool("full_disk.py", "--photos", "24").count("passed") >= 5
