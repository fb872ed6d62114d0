"""Shards packed by Ray: those of the local engine, also where a worker is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fastload.convert import Sharding, pack
from fastload.errors import MissingLibraryError
from fastload.store import Store
from fastload.store.manifest import parse_manifest
from support.trees import content_hash, image_folder


@pytest.mark.slow
def test_ray_makes_the_same_shards_whatever_is_killed(tmp_path: Path) -> None:
    """One test, since starting Ray takes longer than all that it does here."""
    pytest.importorskip("ray")
    source = image_folder(tmp_path / "src", classes=2, photos=5)
    (source / "class_0" / "bad.jpg").write_bytes(b"no photo")
    pack(source, tmp_path / "local", sharding=Sharding(shards=3, deal=True))
    code = "import sys; from support.ray_shards import main, Path; main(Path(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=180,
        check=False, cwd="/", env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done
    found = json.loads(done.stdout.splitlines()[-1])
    assert (tmp_path / "killed").exists()
    assert (found["photos"], found["findings"]) == (10, ["class_0/bad.jpg"])
    assert "photo_000.jpg has changed" in found["refused"]
    assert found["left"]
    local = (tmp_path / "local" / "manifest.json").read_bytes()
    assert found["content"] == parse_manifest(local, "").content_hash
    changes = {name: count for name, count in found["changes"].items() if count}
    assert (changes, found["kept"]) == ({"changed": 1, "unchanged": 9}, 1)
    assert content_hash(tmp_path / "set") == content_hash(tmp_path / "one.lmdb")


def test_without_ray_the_message_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = image_folder(tmp_path / "src", classes=1, photos=2)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingLibraryError, match=r"pip install 'fastload\[ray\]'"):
        pack(source, tmp_path / "set", sharding=Sharding(shards=2), engine="ray")
    pack(source, tmp_path / "set", sharding=Sharding(shards=2))
    assert len(Store(tmp_path / "set")) == 2
