"""benchmarks/formats.py runs on a few photos and verifies what it measures."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.trees import image_folder

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "formats.py"


@pytest.mark.slow
def test_every_way_of_keeping_photos_is_measured(tmp_path: Path) -> None:
    """Batches were compared, or it would have ended with an error."""
    images = image_folder(tmp_path / "photos", classes=2, photos=4)
    command = [sys.executable, str(SCRIPT), "--images", str(images), "--rounds", "1"]
    command += ["--repeat", "1", "--threads", "1", "--json", str(tmp_path / "figures.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "figures.json").read_text())
    assert set(found["sizes"]) == set(found["packing"]) == set(found["train"]) == set(found["val"])
    assert found["sizes"]["--format raw"] > found["sizes"]["tiles"]
