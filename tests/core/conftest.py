"""Fixtures for tests of the native core."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastload._core import set_simd, simd


@pytest.fixture(params=["avx2", "portable"])
def each_simd(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs once with each instruction set that this machine has."""
    before = simd()
    if not set_simd(request.param):
        pytest.skip(f"this machine has no {request.param}")
    yield request.param
    set_simd(before)
