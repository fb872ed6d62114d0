"""Packing that is interrupted at an awkward moment goes on all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastload.convert import Finding, Severity, pack
from fastload.store import Store
from support.trees import write_photo


@pytest.mark.parametrize("kind", ["box-outside", "empty"])
def test_an_interrupt_while_a_finding_is_told_leaves_what_can_be_gone_on_with(
    tmp_path: Path, kind: str
) -> None:
    rows = []
    for name in ("a", "b", "c"):
        write_photo(tmp_path / f"src/{name}.jpg", 30, 40)
        rows.append(f"{name}.jpg,0,0,400,300\n")
    (tmp_path / "src/d.jpg").touch()
    rows.append("d.jpg,0,0,4,3\n")
    (tmp_path / "src/t.csv").write_text("path,left,top,right,bottom\n" + "".join(rows))
    told: list[Finding] = []

    def tell(finding: Finding) -> None:
        told.append(finding)
        if [one.kind for one in told].count(kind) == (2 if kind == "box-outside" else 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pack(tmp_path / "src/t.csv", tmp_path / "o.lmdb", on_finding=tell)
    summary = pack(tmp_path / "src/t.csv", tmp_path / "o.lmdb")
    assert summary.tally.count(Severity.PROBLEM) == 1
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == ["a.jpg", "b.jpg", "c.jpg"]
