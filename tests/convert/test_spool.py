"""Texts from many threads are joined in the order of their numbers, and written piece by piece."""

from __future__ import annotations

import errno
import os
import random
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from fastload.convert.findings import RefusedError
from fastload.convert.layouts import spool as module
from fastload.convert.layouts.spool import Spool
from fastload.convert.safe_folder import SafeFolder
from fastload.errors import NoSpaceError


def test_whoever_comes_first_the_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    numbers = list(range(200))
    random.Random(1).shuffle(numbers)
    with closing(Spool(str(tmp_path), b",")) as spool, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: spool.add(n, {f"{n % 2}": b"%d" % n, "none": b""}), numbers))
        for rest in (0, 1):
            expected = b",".join(b"%d" % n for n in range(rest, 200, 2))
            assert b"".join(spool.pieces(str(rest))) == expected
            assert b"".join(spool.pieces(str(rest))) == expected
        assert list(spool.pieces("none")) == []
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.tempfile, "TemporaryFile", full)
    with closing(Spool(str(tmp_path), b",")) as spool, pytest.raises(NoSpaceError):
        spool.add(0, {"a": b"x"})


@pytest.mark.parametrize("pieces", [[], [b"abc"], [b"ab", b"", b"c" * 10]])
def test_files_in_pieces_are_written_and_known_again(pieces: list[bytes], tmp_path: Path) -> None:
    folder, whole = SafeFolder(tmp_path), b"".join(pieces)

    def write(data: object) -> bool:
        return folder.write("f", data, mtime_ns=0, mode=0o644)  # type: ignore[arg-type]

    assert write(lambda: iter(pieces))
    assert (tmp_path / "f").read_bytes() == whole
    assert not write(lambda: iter(pieces))
    assert not write(whole)
    for other in (whole + b"x", whole[:-1] + b"y", b"z" + whole):
        with pytest.raises(RefusedError, match="exists"):
            write(other)
        (tmp_path / "f").write_bytes(other)
        with pytest.raises(RefusedError, match="exists"):
            write(lambda: iter(pieces))
        (tmp_path / "f").write_bytes(whole)
