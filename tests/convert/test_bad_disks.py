"""Disks that lose power or fail: the store is the old or the new one, and packing goes on.

The long form is tools/torture_disk.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fastload.errors import FastloadError
from support.packing_disks import Setting, fail_calls, lose_power

STATES = {"pack": 20, "replace": 20, "update": 20, "shards": 15, "update-shards": 25}


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Setting:
    return Setting(tmp_path_factory.mktemp("disk"))


@pytest.mark.slow
@pytest.mark.parametrize("programme", STATES)
def test_power_loss_leaves_the_old_store_or_the_new_one(setting: Setting, programme: str) -> None:
    counts = lose_power(setting, programme, STATES[programme], seed=5)
    assert counts["before"] > STATES[programme] / 4
    assert counts["went on"] > 0


@pytest.mark.slow
def test_a_disk_that_only_pretends_to_sync_is_found_out(tmp_path: Path) -> None:
    """The replay shows what would be lost, if that were so."""
    with pytest.raises((AssertionError, FastloadError)):
        lose_power(Setting(tmp_path), "pack", 60, seed=1, forgotten="S")


@pytest.mark.slow
@pytest.mark.parametrize(("programme", "step"), [("update", 23), ("update-shards", 139)])
def test_a_call_that_fails_is_a_clear_error_and_harms_nothing(
    setting: Setting, programme: str, step: int
) -> None:
    counts = fail_calls(setting, programme, step)
    assert counts["clear errors"] > counts["runs"] / 3
