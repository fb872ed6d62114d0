"""What is said of photos whose names promise another format."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fastload.convert import summary
from fastload.convert.sniff import format_by_extension
from fastload.store import Names

FORMATS = ("JPEG", "PNG", "MPO")
ENDINGS = (".jpg", ".JPG", ".jpeg", ".png", ".PnG", ".tiff", ".webp", "jpg", "", ".gif", "\udcff")


class Samples:
    """As much of a store as is looked at."""

    column_names = ("format", "height", "width")
    header = SimpleNamespace(formats=FORMATS)

    def __init__(self, names: list[str], formats: list[int], reduced: int) -> None:
        encoded = [name.encode("utf-8", "surrogateescape") for name in names]
        offsets = np.cumsum([0, *map(len, encoded)]).astype(np.uint64)
        self.names = Names(offsets, np.frombuffer(b"".join(encoded), np.uint8))
        self._columns: dict[str, Any] = {"format": np.array(formats, np.uint8)}
        self._columns["height"] = self._columns["width"] = np.full(len(names), 9, np.uint32)
        self.reduced = reduced

    def __len__(self) -> int:
        return len(self.names)

    def column(self, name: str) -> Any:
        return self._columns[name]


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> Samples:
    pairs = [(ending, code) for ending in ENDINGS for code in range(3)] * 20
    names = [f"{'é' * (i % 3)}{i % 7}{ending}" for i, (ending, _) in enumerate(pairs)]
    names[:3] = ["", "g", "png"]
    found = Samples(names, [code for _, code in pairs], reduced=40)
    monkeypatch.setattr(summary, "reduced_photos", lambda store: np.arange(len(store)) == 40)
    return found


def test_misnamed_photos_are_those_whose_ending_promises_another_format(samples: Samples) -> None:
    expected = []
    for index, name in enumerate(samples.names):
        found = FORMATS[samples.column("format")[index]].replace("MPO", "JPEG")
        if index != samples.reduced and format_by_extension(name) not in ("", found):
            expected.append(name)
    assert [finding.name for finding in summary.misnamed(samples)] == expected  # type: ignore[arg-type]
    assert len(expected) > 100


def test_endings_are_looked_at_once(samples: Samples, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a million photos too."""
    asked = []

    def ask(name: str) -> str:
        asked.append(name)
        return format_by_extension(name)

    monkeypatch.setattr(summary, "format_by_extension", ask)
    list(summary.misnamed(samples))  # type: ignore[arg-type]
    assert 0 < len(asked) < len(samples) / 2


def test_a_store_without_photos_has_none_that_is_misnamed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "reduced_photos", lambda store: np.zeros(len(store), np.bool_))
    assert not list(summary.misnamed(Samples([], [], 0)))  # type: ignore[arg-type]
