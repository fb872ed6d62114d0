"""Values go in as rows and come out as columns, checked."""

from __future__ import annotations

import numpy as np
import pytest

from fastload.store.columns import ColumnSpec
from fastload.store.sample_rows import SampleRows

SPECS = (
    ColumnSpec("small", "uint8"),
    ColumnSpec("large", "int64"),
    ColumnSpec("hash", "uint8", (3,)),
    ColumnSpec("box", "float32", (2, 2)),
    ColumnSpec("half", "float16"),
)
ROW = {"small": 7, "large": -5, "hash": b"abc", "box": np.ones((2, 2)), "half": 0.5}


def test_columns_hold_what_the_rows_were_given() -> None:
    rows = SampleRows(SPECS)
    for number in range(3):
        rows.add(rows.encode({**ROW, "small": number, "box": np.full((2, 2), number / 4)}))
    found = dict(rows.columns())
    assert list(found) == [spec.name for spec in SPECS]
    assert found["small"] == bytes([0, 1, 2])
    assert np.frombuffer(found["large"], "<i8").tolist() == [-5] * 3
    assert found["hash"] == b"abcabcabc"
    assert np.frombuffer(found["box"], "<f4").tolist() == [0] * 4 + [0.25] * 4 + [0.5] * 4
    assert np.frombuffer(found["half"], "<f2").tolist() == [0.5] * 3
    rows.clear()
    assert set(dict(rows.columns()).values()) == {b""}


@pytest.mark.parametrize(
    ("name", "value"),
    [("small", 256), ("small", 1.0), ("small", None), ("large", 1 << 63), ("half", 1e9),
     ("hash", b"ab"), ("hash", [1, 2, 300]), ("hash", "abc"), ("box", [1, 2, 3, 4])],
)  # fmt: skip
def test_a_value_that_does_not_fit_is_named(name: str, value: object) -> None:
    rows = SampleRows(SPECS)
    with pytest.raises(ValueError, match=f"column {name}: expected"):
        rows.encode({**ROW, name: value})
    assert dict(rows.columns())["small"] == b""
