"""Processes that are killed while they fill a folder: right batches afterwards, and no remains."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from fastload import DataLoader, LMDBDataset
from support.caches import COUNT, cache_files, hits_of
from support.loaders import STILL, assert_same, epoch

pytestmark = pytest.mark.usefixtures("nothing_left")


def fill(store: Path, folder: Path, progress: int, batches: int) -> None:
    """In a child: a byte for each batch of one; after so many it waits to be killed."""
    loader: Any = DataLoader(LMDBDataset(store, STILL), num_workers=1, cache=folder)
    for number, _batch in enumerate(loader, 1):
        os.write(progress, b".")
        if number == batches:
            signal.pause()


def test_killed_at_any_moment(photo_store, tmp_path):
    """Twenty times two processes that fill one file, killed one after the other."""
    dataset = LMDBDataset(photo_store, STILL)
    expected = epoch(DataLoader(dataset, batch_size=5))
    draws = random.Random(13)
    found = []
    for number in range(20):
        folder = tmp_path / str(number)
        children = []
        for _ in range(2):
            batches = draws.randrange(1, 20)  # with those made ahead, fewer than there are
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    fill(photo_store, folder, writer, batches)
                finally:
                    os._exit(1)
            os.close(writer)
            children.append((child, reader))
        for child, reader in children:
            assert os.read(reader, 1) == b"."
            os.kill(child, signal.SIGKILL)
            assert os.waitpid(child, 0)[1] == signal.SIGKILL
            os.close(reader)
        loader = DataLoader(dataset, batch_size=5, cache=folder)
        assert_same(epoch(loader), expected)
        found.append(loader.statistics().cache_hits)
        assert hits_of(loader) == COUNT
        names = [path.name for path in cache_files(folder)]
        assert sum(name.endswith(".fastload-cache") for name in names) == 1
        # One that was killed while it made its file leaves that for an hour.
        assert all(name.endswith((".fastload-cache", ".partial")) for name in names)
    assert any(0 < hits < COUNT for hits in found), found  # some were killed in the middle
