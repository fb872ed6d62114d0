"""Packing on bad disks, as the suite and the long programme both run it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from fastload.convert import pack, verify
from fastload.convert.shares import Sharding
from fastload.store import Store, StoreWriter, partial_path
from fastload.store.manifest import MANIFEST_NAME, parse_manifest
from support.call_faults import read_trace, run_with_faults
from support.lost_power import Disk
from support.packing_faults import (
    FIRST,
    NAME,
    PROGRAMMES,
    PUBLISHED,
    commit_often,
    copy_store,
    look,
)
from support.trees import image_folder, write_photo

DRIVER = "support.packing_faults"


class Setting:
    """A source as it was and as it is, and the stores of both.

    Args:
        folder: to make all that in.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = image_folder(folder / "source", classes=2, photos=8)
        pack(self.source, folder / "before.lmdb")
        pack(self.source, folder / "before", sharding=Sharding(shards=2))
        write_photo(self.source / "class_0" / "new.jpg", 50, 70, seed=100)
        write_photo(self.source / "class_1" / "photo_003.jpg", 41, 65, seed=101)
        (self.source / "class_1" / "photo_006.jpg").unlink()
        (self.source / "class_1" / "bad.jpg").write_bytes(b"no photo")
        pack(self.source, folder / "after.lmdb")
        self.hashes = {
            name: verify(folder / f"{name}.lmdb").content_hash for name in ("before", "after")
        }

    def begin(self, programme: str, name: str) -> Path:
        """A folder as a programme finds it."""
        made = self.folder / name
        made.mkdir()
        before = self.before(programme)
        if before is not None:
            copy_store(before, made / NAME)
        return made

    def before(self, programme: str) -> Path | None:
        """The store that a programme finds."""
        if programme in FIRST:
            return None
        return self.folder / ("before" if programme.endswith("shards") else "before.lmdb")


def lose_power(
    setting: Setting, programme: str, states: int, seed: int, *, forgotten: str = ""
) -> dict[str, int]:
    """Replay a run up to random moments; AssertionError where something is lost or mixed.

    ``forgotten``: kinds of events that the disk only pretends to do.
    """
    folder = setting.begin(programme, f"watched-{programme}")
    disk = Disk(folder)
    trace = setting.folder / f"{programme}.trace"
    arguments = ["watch", programme, setting.source, folder, "--trace", trace]
    run_with_faults(DRIVER, arguments, setting.folder)
    look(folder / NAME, {setting.hashes["after"]}, "watched")
    events = read_trace(trace)
    commit_often()
    earlier = None if programme in FIRST else setting.hashes["before"]
    counts = {"before": 0, "after": 0, "went on": 0, "photos acknowledged": 0}
    choose = random.Random(seed)
    # Each third moment is that behind a rename, which is what counts most.
    renames = [number + 1 for number, event in enumerate(events) if event.kind in "RV"]
    moments = sorted(
        choose.randrange(len(events) + 1) if number % 3 else choose.choice(renames)
        for number in range(states)
    )
    done = 0
    for number, moment in enumerate(moments):
        for event in events[done:moment]:
            if event.kind not in forgotten:
                disk.do(event)
        done = moment
        left = setting.folder / f"{programme}-{number}"
        copy = disk.copy()
        copy.lose_power(random.Random(f"{seed} {number}"), left)
        where = f"{programme}, seed {seed}, state {number}, after {moment} of {len(events)} calls"
        after_loss(setting, programme, left / NAME, earlier, copy.marked, where, counts)
        shutil.rmtree(left)
    return counts


def after_loss(
    setting: Setting,
    programme: str,
    out: Path,
    earlier: str | None,
    marked: int,
    where: str,
    counts: dict[str, int],
) -> None:
    """What is left is old or new, has what was acknowledged, and is gone on with."""
    after = setting.hashes["after"]
    look(out, {after} if marked == PUBLISHED else {after, earlier}, where)
    is_new = out.exists() and verify(out).content_hash == after
    counts["after" if is_new else "before"] += 1
    if is_new and programme in FIRST:
        return
    found = _finished_shards(partial_path(out))
    begin = StoreWriter.__init__

    def begin_and_tell(self: StoreWriter, *arguments: object, **named: object) -> None:
        begin(self, *arguments, **named)  # type: ignore[arg-type]
        found.setdefault(self.path.name, self.committed_count)

    StoreWriter.__init__ = begin_and_tell  # type: ignore[method-assign,assignment]
    try:
        PROGRAMMES[programme](setting.source, out)
    finally:
        StoreWriter.__init__ = begin  # type: ignore[method-assign]
    if not is_new:
        left = sum(found.values())
        assert left >= marked, f"{where}: {marked} photos were committed, {left} are left"
        counts["went on"] += left > 0
        counts["photos acknowledged"] += marked
    look(out, {after}, f"{where}, then again")
    assert not partial_path(out).exists(), where


def _finished_shards(folder: Path) -> dict[str, int]:
    """The photos of each finished shard, by its name; of a whole set, where that has moved."""
    manifest = folder / MANIFEST_NAME
    if manifest.exists():
        return {MANIFEST_NAME: parse_manifest(manifest.read_bytes(), str(manifest)).samples}
    return {path.name: len(Store(path)) for path in folder.glob("shard-*.lmdb")}


def fail_calls(setting: Setting, programme: str, step: int) -> dict[str, int]:
    """Every ``step``-th call fails; AssertionError where that harms."""
    earlier = setting.before(programme)
    before = [] if earlier is None else ["--before", earlier]
    printed = run_with_faults(
        DRIVER,
        ["fail", programme, setting.source, setting.folder / f"failing-{programme}", *before,
         "--step", step, "--expected", setting.hashes["after"]],
        setting.folder,
    )  # fmt: skip
    counts: dict[str, int] = json.loads(printed.splitlines()[-1])
    return counts
