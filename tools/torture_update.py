"""Kills updates, merges and splits again and again, at random moments, and looks at what is left.

Updates are of one store, and of shards, which are also packed. Passes when, after each kill, under
each store's name is the store that was there before, or the whole new one, by the hash over records
and columns; and when the same call always ends with the latter.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from torture_photos import make_source

from fastload.convert import copying, job, merge, pack, split, verify
from fastload.convert.shares import Sharding
from fastload.store import partial_path


class Torture:
    """One kind of call.

    Args:
        call: what is killed.
        before: the store that stands under each name before the call; None: there is none.
    """

    def __init__(self, call: Callable[[], object], before: dict[Path, Path | None]) -> None:
        self._call = call
        self._before = before
        self.restore()
        started = time.monotonic()
        call()
        self.seconds = time.monotonic() - started
        new = {path: _content(path) for path in before}
        self.restore()
        self._allowed = {path: (_content(path), new[path]) for path in before}
        self._new = new

    def run(self, kills: int, source: random.Random) -> int:
        """Until ``kills`` processes were killed; how often the call came to its end."""
        killed = finished = 0
        while killed < kills:
            killed += self._attempt(source.uniform(0, 1.2 * self.seconds))
            found = {path: _content(path) for path in self._before}
            for path, content in found.items():
                if content not in self._allowed[path]:
                    raise SystemExit(f"FAILED: {path.name} is neither the old store nor the new")
            if found == self._new and not any(partial_path(path).exists() for path in found):
                finished += 1
                self.restore()
        self._call()
        if {path: _content(path) for path in self._before} != self._new:
            raise SystemExit("FAILED: the last call did not end as an uninterrupted one")
        return finished

    def _attempt(self, seconds: float) -> bool:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                job.GROUP_SECONDS = copying.GROUP_SECONDS = 0.0
                self._call()
                status = 0
            finally:
                os._exit(status)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)  # still there, at least as a zombie, until it is waited for
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status) and status:
            raise SystemExit(f"FAILED: a call ended with status {status}")
        return os.WIFSIGNALED(status)

    def restore(self) -> None:
        """What was there before the call."""
        for path, before in self._before.items():
            _remove(path)
            if before is not None and before.is_dir():
                shutil.copytree(before, path)
            elif before is not None:
                shutil.copy(before, path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _content(path: Path) -> str:
    if not path.exists():
        return ""
    report = verify(path)
    return "damaged" if report.differences_count else report.content_hash


def main() -> int:
    """Run the programme; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of each kind")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--kind", help='only this, such as "update of shards"')
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fastload-torture-") as name:
        folder = Path(name)
        photos = make_source(folder / "source", options.photos)
        old = folder / "old.lmdb"
        pack(photos, old)
        shards = folder / "old"
        dealt = Sharding(shards=3, deal=True)
        pack(photos, shards, sharding=dealt)
        files = sorted(path for path in photos.rglob("*") if path.is_file())
        files[0].rename(files[0].with_name("renamed" + files[0].name))
        files[len(files) // 2].unlink()
        shutil.copy(files[-1], files[-1].with_name("a" + files[-1].name))
        out, parts = folder / "out.lmdb", [folder / "part-a.lmdb", folder / "part-b.lmdb"]
        ratios = {"a": 0.6, "b": 0.4}
        halves = [made.path for made in split(old, folder / "half", ratios=ratios).stores]
        many = folder / "out"
        kinds = {
            "update": Torture(lambda: pack(photos, out, update=True), {out: old}),
            "shards": Torture(lambda: pack(photos, many, sharding=dealt), {many: None}),
            "update of shards": Torture(lambda: pack(photos, many, update=True), {many: shards}),
            "merge": Torture(lambda: merge(halves, out, overwrite=True), {out: old}),
            "split": Torture(
                lambda: split(old, folder / "part", ratios=ratios, overwrite=True),
                dict.fromkeys(parts),
            ),
        }
        for kind, torture in kinds.items():
            if options.kind not in (None, kind):
                continue
            _remove(out)
            _remove(many)
            torture.restore()
            finished = torture.run(options.kills, random.Random(options.seed))
            print(f"{kind}: {options.kills} kills, {finished} ended before, all whole", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
