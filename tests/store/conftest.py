"""A store that tests read and do not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.stores import Sample, make_samples, pack


@pytest.fixture(scope="session")
def samples() -> list[Sample]:
    """What the shared store holds."""
    return make_samples(200)


@pytest.fixture(scope="session")
def store_path(tmp_path_factory: pytest.TempPathFactory, samples: list[Sample]) -> Path:
    """A published store of ``samples``."""
    path = tmp_path_factory.mktemp("store") / "shared.lmdb"
    pack(path, samples)
    return path
