"""What became of photos: counted within a store, and between stores that are replaced together."""

from __future__ import annotations

import numpy as np

from fastload.convert.changes import Changes


def hashes(*numbers: int) -> np.ndarray:
    rows = [number.to_bytes(16, "big") for number in numbers]  # zeros at either end count
    return np.frombuffer(b"".join(rows), "V16")


def test_what_is_new_in_one_store_and_gone_from_another_has_moved() -> None:
    train = Changes(added=3, removed=1, fresh=hashes(1 << 120, 2, 2), gone=hashes(9))
    val = Changes(added=1, removed=3, unchanged=4, fresh=hashes(9), gone=hashes(2, 1 << 120, 7))
    test = Changes(removed=2, gone=hashes(2, 2))
    for order in ([train, val, test], [test, val, train], [val, train, test]):
        total = sum(order, Changes())
        assert total == Changes(moved=4, removed=2, unchanged=4)
        assert total.fresh.tobytes() == b""
        assert total.gone.tobytes() == hashes(2, 7).tobytes()


def test_counts_alone_are_for_programs() -> None:
    assert Changes(moved=1, fresh=hashes(1)).as_json() == {
        "added": 0, "changed": 0, "relabelled": 0, "renamed": 0, "moved": 1, "removed": 0,
        "unchanged": 0,
    }  # fmt: skip
