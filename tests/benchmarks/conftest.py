"""Benchmarks run two at a time, ahead of the tests that look at what they found."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from support.benchmarks import Finished, run_benchmark
from support.pictures import picture


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 JPEG files in two folders: gray ones, 4:4:4 and 4:2:0, all wide enough for tiles."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(12):
        image = Image.fromarray(picture(90 + 5 * number, 150 - 4 * number, seed=number))
        folder = root / ("ape", "bee")[number % 2]
        folder.mkdir(exist_ok=True)
        if number % 5 == 3:
            image = image.convert("L")
        image.save(folder / f"{number}.jpg", quality=85, subsampling=2 * (number % 2))
    return root


@pytest.fixture(scope="session")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What benchmarks/setup_peers leaves where one of the peers cannot be installed."""
    root = tmp_path_factory.mktemp("peers")
    (root / "dali.problem").write_text("no such wheel\n")
    return root


@pytest.fixture(scope="session")
def begun(
    request: pytest.FixtureRequest,
    images: Path,
    peers: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, Future[Finished]]]:
    """The benchmarks that this session's tests are marked with, begun in the tests' order."""
    with ThreadPoolExecutor(2) as pool:
        runs = {}
        for item in request.session.items:
            mark = item.get_closest_marker("benchmark")
            if mark is None or item.get_closest_marker("skip") is not None:
                continue
            folder = tmp_path_factory.mktemp("benchmark")
            words = [word.format(images=images, peers=peers, folder=folder) for word in mark.args]
            runs[item.nodeid] = pool.submit(run_benchmark, words, folder)
        yield runs
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def finished(request: pytest.FixtureRequest, begun: dict[str, Future[Finished]]) -> Finished:
    """The benchmark that the test is marked with; it has succeeded."""
    found = begun[request.node.nodeid].result()
    assert found.status == 0, found.printed + found.errors
    return found
