"""Kills packing again and again, at random moments, and looks at what is left each time.

Passes when, after each kill: nothing stands under the store's name, or a whole store; every
photo that a commit acknowledged is still there when packing goes on; and the store that is
published in the end equals that of an uninterrupted run, by the hash over records and columns.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from torture_photos import LABELLERS, make_source

from fastload.convert import job, pack, verify
from fastload.store import Store, StoreWriter, partial_path


def main() -> int:
    """Run the programme; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--photos", type=int, default=240)
    parser.add_argument("--layout", choices=LABELLERS, default="imagefolder")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fastload-torture-") as folder:
        torture = Torture(Path(folder), options.photos, options.seed, options.layout)
        return torture.run(options.kills)


class Torture:
    """One source, packed and killed over and over."""

    def __init__(self, folder: Path, photos: int, seed: int, layout: str) -> None:
        self.random = random.Random(seed)
        self.source = make_source(folder / "source", photos)
        LABELLERS[layout](self.source)
        self.out = folder / "out.lmdb"
        started = time.monotonic()
        whole = pack(self.source, folder / "whole.lmdb")
        self.seconds = time.monotonic() - started
        self.photos = whole.contents.photos
        self.problems = whole.problems_count
        self.expected = verify(folder / "whole.lmdb").content_hash

    def run(self, kills: int) -> int:
        """Until ``kills`` processes were killed; prints what happened."""
        killed = finished = acknowledged = 0
        while killed < kills:
            status, begun_with, last = self.attempt()
            if begun_with is not None and begun_with < acknowledged:
                print(f"FAILED: {acknowledged} photos were acknowledged, {begun_with} are there")
                return 1
            acknowledged = max(acknowledged, last)
            if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
                killed += 1
            elif status:
                print(f"FAILED: packing ended with status {status}")
                return 1
            if self.out.exists():  # published, though perhaps killed just after
                found = verify(self.out)
                with Store(self.out) as store:
                    problems = len(store.problems)
                if found.content_hash != self.expected or found.differences_count:
                    print(f"FAILED: not the content of an uninterrupted run: {found.as_json()}")
                    return 1
                if problems != self.problems or partial_path(self.out).exists():
                    print(f"FAILED: {problems} problems for {self.problems}, or a partial is left")
                    return 1
                finished += 1
                acknowledged = 0
                self.out.unlink()
        print(f"{killed} kills, {finished} stores of {self.photos} photos, all equal")
        return 0

    def attempt(self) -> tuple[int, int | None, int]:
        """One process: (wait status, photos it found committed, photos it acknowledged)."""
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            status = 1
            try:
                self.child(writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        # Some die at once, most while packing, some while publishing.
        time.sleep(self.random.uniform(0, 1.1 * self.seconds))
        os.kill(child, signal.SIGKILL)  # still there, at least as a zombie, until it is waited for
        _, status = os.waitpid(child, 0)
        with open(reader, encoding="ascii") as file:
            counts = [int(line) for line in file.read().split("\n")[:-1]]
        return status, counts[0] if counts else None, max(counts, default=0)

    def child(self, writer: int) -> None:
        """Packs, and writes how many photos are committed: first those found, then each commit."""
        job.GROUP_SECONDS = 0.02
        begin, commit = StoreWriter.__init__, StoreWriter.commit

        def begin_and_tell(self: StoreWriter, *args: object, **kwargs: object) -> None:
            begin(self, *args, **kwargs)  # type: ignore[arg-type]
            os.write(writer, b"%d\n" % self.committed_count)

        def commit_and_tell(self: StoreWriter, position: int) -> None:
            commit(self, position)
            os.write(writer, b"%d\n" % self.committed_count)

        StoreWriter.__init__ = begin_and_tell  # type: ignore[method-assign,assignment]
        StoreWriter.commit = commit_and_tell  # type: ignore[method-assign]
        pack(self.source, self.out)


if __name__ == "__main__":
    sys.exit(main())
