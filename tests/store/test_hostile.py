"""Damaged and hostile stores, in short; ``tools/fuzz_store`` is the long form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.hostile_stores import make_truth, search, try_store
from support.stores import make_samples, pack

CASES = {"truncations": 200, "flips": 500, "page_flips": 500, "metadata": 250, "partials": 60}
CASES |= {"label_page_flips": 120, "label_metadata": 150, "label_partials": 12}


@pytest.mark.parametrize("kind", CASES)
def test_only_an_error_or_what_an_undamaged_store_gives(tmp_path: Path, kind: str) -> None:
    failures = list(search(kind, 1, CASES[kind], tmp_path))
    assert not failures, "\n".join(failures)


def test_the_search_would_notice(tmp_path: Path) -> None:
    """A sound store of other content gives other reads, and that counts as a failure."""
    truth = make_truth(tmp_path)
    shutil.copy(truth.path, tmp_path / "same.lmdb")
    assert try_store(truth, tmp_path / "same.lmdb", may_differ=False) is None
    pack(tmp_path / "other.lmdb", make_samples(90, seed=5))
    failure = try_store(truth, tmp_path / "other.lmdb", may_differ=True)
    assert failure is not None
    assert "other than in the undamaged store" in failure
