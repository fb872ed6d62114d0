"""Packing with every call watched, or failing: runs preloaded, as `python -m`; see call_faults."""

from __future__ import annotations

import argparse
import errno
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fastload.convert import job, pack, verify
from fastload.convert.shares import Sharding
from fastload.errors import FastloadError
from fastload.store import StoreWriter, partial_path
from support.call_faults import SHORT_WRITE, Faults

NAME = "out.lmdb"
#: What `Faults.mark` says when the store has its name.
PUBLISHED = 1 << 40

#: What is done with a source and a store; the store may be there.
PROGRAMMES: dict[str, Callable[[Path, Path], object]] = {
    "pack": lambda source, out: pack(source, out, workers=1),
    "replace": lambda source, out: pack(source, out, workers=1, overwrite=True),
    "update": lambda source, out: pack(source, out, workers=1, update=True),
    "shards": lambda source, out: pack(source, out, workers=1, sharding=Sharding(shards=2)),
    "update-shards": lambda source, out: pack(source, out, workers=1, update=True),
}
#: Those that find nothing under the store's name.
FIRST = ("pack", "shards")
#: Errors that a disk gives, and whether it gives them for good.
FAILURES = {
    "no space": (errno.ENOSPC, False),
    "no space, once": (errno.ENOSPC, True),
    "broken": (errno.EIO, False),
    "broken, once": (errno.EIO, True),
    "short write, once": (SHORT_WRITE, True),
}


def commit_often() -> None:
    """After every few photos, though they are small."""
    job.GROUP_BYTES = 8 << 10


def run_watched(programme: str, source: Path, out: Path, trace: Path) -> None:
    """Once, with a mark in the trace behind each commit and when all is done."""
    faults = Faults()
    commit = StoreWriter.commit
    committed: dict[Path, int] = {}

    def commit_and_mark(self: StoreWriter, position: int) -> None:
        commit(self, position)
        committed[self.path] = self.committed_count
        faults.mark(sum(committed.values()))

    StoreWriter.commit = commit_and_mark  # type: ignore[method-assign]
    faults.watch(out.parent, trace)
    PROGRAMMES[programme](source, out)
    faults.mark(PUBLISHED)
    print(faults.end())


def run_failing(
    programme: str, source: Path, folder: Path, before: Path | None, step: int, expected: str
) -> dict[str, int]:
    """Every ``step``-th call fails, in each way, in a run of its own; the next run is sound."""
    counts = {"runs": 0, "clear errors": 0, "unharmed": 0}
    earlier = None if before is None else verify(before).content_hash
    for way, (error, once) in FAILURES.items():
        at = 1
        while True:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            out = folder / NAME
            if before is not None:
                copy_store(before, out)
            outcome = in_child(partial(fail, programme, source, out, at, error, once))
            where = f"{programme}, {way}, call {at}"
            counts["runs"] += 1
            if outcome == "never reached":
                break
            assert outcome in ("clear error", "unharmed"), f"{where}: {outcome}"
            counts["clear errors" if outcome == "clear error" else outcome] += 1
            look(out, {expected, earlier}, where)
            outcome = in_child(partial(run_soundly, programme, source, out))
            assert outcome == "done", f"{where}, then soundly: {outcome}"
            look(out, {expected}, f"{where}, then soundly")
            assert not partial_path(out).exists(), where
            assert [path.name for path in folder.iterdir()] == [NAME], where
            at += step
    return counts


def fail(programme: str, source: Path, out: Path, at: int, error: int, once: bool) -> str:
    """One run in which a call fails, and what came of it."""
    faults = Faults()
    faults.fail(out.parent, at, error, once=once)
    try:
        PROGRAMMES[programme](source, out)
    except FastloadError as raised:
        faults.end()
        told = str(raised)
        if error == errno.ENOSPC and "space" not in told:
            return f"no word of space: {told}"
        return "clear error" if str(out.name) in told else f"no word of the store: {told}"
    except Exception:
        faults.end()
        return traceback.format_exc()
    return "unharmed" if faults.end() >= at else "never reached"


def run_soundly(programme: str, source: Path, out: Path) -> str:
    """The same command again."""
    if programme in FIRST and out.exists():
        return "done"  # it had come as far as its name
    PROGRAMMES[programme](source, out)
    return "done"


def look(out: Path, expected: set[str | None], where: str) -> None:
    """The store is one of those expected; None: none may be there."""
    report = verify(out) if out.exists() else None
    assert report is None or report.differences_count == 0, f"{where}: {report}"
    found = None if report is None else report.content_hash
    assert found in expected, f"{where}: {found} in place of one of {expected}"


def copy_store(store: Path, to: Path) -> None:
    """A file, or a folder of shards."""
    if store.is_dir():
        shutil.copytree(store, to)
    else:
        shutil.copyfile(store, to)


def in_child(work: Callable[[], str]) -> str:
    """What a function says that runs in a forked process."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            try:
                said = work()
            except BaseException:
                said = traceback.format_exc()
            with open(writer, "w") as file:
                file.write(said)
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader) as file:
        said = file.read()
    _, status = os.waitpid(child, 0)
    return said or f"ended with status {status}"


def main() -> None:
    """Watch, or fail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("task", choices=("watch", "fail"))
    parser.add_argument("programme", choices=PROGRAMMES)
    parser.add_argument("source", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--trace", type=Path)
    parser.add_argument("--before", type=Path)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--expected", default="")
    options = parser.parse_args()
    commit_often()
    if options.task == "watch":
        run_watched(options.programme, options.source, options.folder / NAME, options.trace)
        return
    counts = run_failing(
        options.programme, options.source, options.folder, options.before, options.step,
        options.expected,
    )  # fmt: skip
    print(json.dumps(counts))


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)
