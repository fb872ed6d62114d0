"""Packs and unpacks onto disks that fill up, at several levels, and looks at what is left.

The disk is an 8 MB tmpfs where this may mount one, and a limit on the size of files elsewhere
(both where it may). Passes when each time: the error says that no space is left, in one line and
with exit code 1; a store that was there before is whole; and after making room the same command
goes on, and its store equals that of a roomy disk.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torture_photos import make_source

from fastload.cli.commands import main
from fastload.convert import pack, verify

DISK_BYTES = 8 << 20
FILL_LEVELS = (0.02, 0.2, 0.45, 0.7, 0.9)


def run(*arguments: str | Path, limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """One command, in a process of its own, perhaps under a limit on the size of files.

    Forked, since a new interpreter takes longer to begin than packing does here.
    """
    command = [*map(str, arguments)]
    with tempfile.TemporaryFile() as written, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            code: Any = 70
            try:
                os.dup2(written.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                if limit_bytes is not None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
                main(command)
            except SystemExit as end:
                code = end.code
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(int(code or 0))
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = []
        for file in (written, errors):
            file.seek(0)
            texts.append(file.read().decode())
    return subprocess.CompletedProcess(command, code, *texts)


def content_hash(store: Path) -> str:
    """The hash of a store's content; fails where it is damaged."""
    report = verify(store)
    assert report.differences_count == 0, report.as_json()
    return report.content_hash


def assert_no_space(done: subprocess.CompletedProcess[str], what: str) -> None:
    """It ended with one clear line."""
    assert done.returncode == 1, (what, done)
    assert "no space" in done.stderr.lower(), (what, done)
    assert len(done.stderr.strip().splitlines()) == 1, (what, done)


class Case:
    """One disk: what is packed onto it, and what must be there in the end."""

    def __init__(self, work: Path, photos: int) -> None:
        self.source = make_source(work / "source", photos)
        self.small = make_source(work / "small", 8, bad=False)
        self.whole = work / "whole.lmdb"
        pack(self.source, self.whole)
        self.expected = content_hash(self.whole)

    def pack(self, disk: Path, what: str, fill: Callable[[], None], free: Callable[[], None],
             limit_bytes: int | None = None) -> None:  # fmt: skip
        """Over an earlier store: fails for want of space, then goes on when there is room."""
        out = disk / "out.lmdb"
        pack(self.small, out)
        earlier = content_hash(out)
        fill()
        command = ("convert", self.source, out, "--overwrite", "-q")
        assert_no_space(run(*command, limit_bytes=limit_bytes), what)
        assert content_hash(out) == earlier, what
        assert_no_space(run(*command, limit_bytes=limit_bytes), what + ", again")
        free()
        done = run(*command)
        assert done.returncode == 4, (what, done)
        assert content_hash(out) == self.expected, what
        out.unlink()

    def unpack(self, disk: Path, what: str, fill: Callable[[], None], free: Callable[[], None],
               limit_bytes: int | None = None) -> None:  # fmt: skip
        """Fails for want of space, then goes on when there is room."""
        out = disk / "files"
        fill()
        assert_no_space(run("unpack", self.whole, out, "-q", limit_bytes=limit_bytes), what)
        free()
        assert run("unpack", self.whole, out, "-q").returncode == 0, what
        for path in out.rglob("*"):
            if path.is_file():
                assert path.read_bytes() == (self.source / path.relative_to(out)).read_bytes(), path
        shutil.rmtree(out)


@contextmanager
def tmpfs(folder: Path, size_bytes: int) -> Iterator[bool]:
    """A small disk; False where none can be mounted."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "none", str(folder)],
                          capture_output=True, check=False)  # fmt: skip
    try:
        yield done.returncode == 0
    finally:
        if done.returncode == 0:
            subprocess.run(["umount", str(folder)], check=True)


def fill_disks() -> int:
    """Run the programme; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--levels", type=int, default=len(FILL_LEVELS))
    parser.add_argument("--photos", type=int, default=96)
    options = parser.parse_args()
    levels = FILL_LEVELS[: options.levels]
    with tempfile.TemporaryDirectory(prefix="fastload-full-disk-") as folder:
        work = Path(folder)
        case = Case(work, options.photos)
        size_bytes = case.whole.stat().st_size
        disk = work / "limited"
        disk.mkdir()
        for level in levels:
            what = f"files limited at {level:.0%} of the store"
            limit_bytes = max(64 << 10, int(level * size_bytes))
            case.pack(disk, what, lambda: None, lambda: None, limit_bytes)
            print(f"passed: {what}", flush=True)
        case.unpack(disk, "files limited to 1 kB", lambda: None, lambda: None, 1024)
        with tmpfs(work / "disk", DISK_BYTES + 2 * size_bytes) as mounted:
            if not mounted:
                print("no tmpfs can be mounted here: that part is left out")
                return 0
            on_tmpfs(case, work / "disk", size_bytes, levels)
    return 0


def on_tmpfs(case: Case, disk: Path, size_bytes: int, levels: tuple[float, ...]) -> None:
    """The same on a disk that others fill."""
    ballast = disk / "ballast"
    for level in levels:
        what = f"a disk with room for {level:.0%} of the store"

        def fill(level: float = level) -> None:
            free_bytes = shutil.disk_usage(disk).free
            ballast.write_bytes(bytes(max(0, free_bytes - int(level * size_bytes))))

        case.pack(disk, what, fill, ballast.unlink)
        case.unpack(disk, what, fill, ballast.unlink)
        print(f"passed: {what}", flush=True)


if __name__ == "__main__":
    sys.exit(fill_disks())
