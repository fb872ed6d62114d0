"""Which photos go into which shard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fastload.convert import Finding, Sharding, shares
from fastload.convert.shares import Item, ShareSource, listed_shares, plan_shares
from fastload.convert.sources import SourceItem, find_source
from fastload.convert.sources.wrapped import WrappedSource

LISTED: list[int] = []


class Counted(WrappedSource):
    """A source that says how often it was listed."""

    def items(self) -> Iterator[Item]:
        LISTED.append(1)
        return self.source.items()


@pytest.mark.parametrize("deal", [False, True])
@pytest.mark.parametrize(("held", "listings"), [(1, 5), (4, 3), (100, 1)])
def test_few_listings_give_what_each_share_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deal: bool, held: int, listings: int
) -> None:
    for number in range(11):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / f"{number:02}.jpg").touch()
    (tmp_path / "a" / "readme.txt").touch()
    source = Counted(find_source(tmp_path))
    planned = plan_shares(source, Sharding(shards=5, deal=deal))
    alone = [list(ShareSource(source, share).items()) for share in planned]
    photos = [item.name for items in alone for item in items if isinstance(item, SourceItem)]
    assert sorted(photos) == [f"a/{number:02}.jpg" for number in range(11)]
    assert [isinstance(item, Finding) for item in alone[0]].count(True) == 1
    monkeypatch.setattr(shares, "_LISTED_PHOTOS", held)
    LISTED.clear()
    assert list(listed_shares(source, planned)) == list(zip(planned, alone, strict=True))
    assert len(LISTED) == listings


def test_a_number_or_a_size_is_asked_for() -> None:
    for wrong in ({}, {"shards": 1, "shard_bytes": 1}, {"shards": -1}):
        with pytest.raises(ValueError, match="number of shards, or bytes"):
            Sharding(**wrong)
