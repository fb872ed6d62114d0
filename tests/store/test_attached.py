"""Attached files: whole or piece by piece they are stored alike, and come back as they were."""

from __future__ import annotations

import random

import numpy as np
import pytest

from fastload import _core
from fastload.errors import StoreFormatError
from fastload.store import Attaching, attach
from fastload.store.attached import attached_file

FILES = {
    "text": b'{"id": 1, "bbox": [1.5, 2.5]}, ' * 2000,
    "nothing to compress": random.Random(1).randbytes(5000),
    "empty": b"",
}


@pytest.mark.parametrize("what", FILES)
@pytest.mark.parametrize("size", [1, 777, 1 << 20])
def test_pieces_are_stored_as_the_whole_is(what: str, size: int) -> None:
    data = FILES[what]
    attaching = Attaching(len(data))
    for place in range(0, len(data), size):
        attaching.add(data[place : place + size])
    described, stored = attaching.finish("a/b.json", 5, 0o100644)
    assert ((described,), stored) == attach([("a/b.json", data, 5, 0o100644)])
    assert described.content_hash == _core.xxh3_128(data).hex()
    assert len(stored) <= len(data)
    column = np.frombuffer(stored + b"more", np.uint8)
    assert attached_file(described, column) == data
    if data:
        damaged = column.copy()
        damaged[len(stored) // 2] ^= 1
        with pytest.raises(StoreFormatError):
            attached_file(described, damaged)
