"""A folder of cache files: whatever stands there, loaders get right batches, and it stays small."""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from fastload import DataLoader, LMDBDataset, _core
from fastload.loader import cache_folder
from support.caches import COUNT, aged, cache_files, hits_of
from support.loaders import STILL, assert_same, epoch

pytestmark = pytest.mark.usefixtures("no_torch_threads")

HEADER = _core.SampleCache.file_header_bytes
KEYS = [bytes([number]) * 32 for number in range(5)]


@pytest.fixture
def filled(dataset: Any, tmp_path: Path) -> tuple[Any, Path, Path]:
    """A data set, its folder of caches, and the one file there, full."""
    aged([path for path, _ in getattr(dataset, "samples", []) if os.path.exists(path)])
    folder = tmp_path / "cache"
    hits_of(DataLoader(dataset, batch_size=5, cache=folder))
    (file,) = cache_files(folder)
    return dataset, folder, file


def overwrite(file: Path, content: bytes) -> None:
    """The same file with other bytes."""
    file.write_bytes(content)


def replace_by_folder(file: Path) -> None:
    """With something in it."""
    file.unlink()
    (file / "inner").mkdir(parents=True)


def replace_by_link(file: Path) -> None:
    """To a file that must not be touched."""
    target = file.parent.parent / "precious"
    target.write_bytes(b"precious")
    file.unlink()
    file.symlink_to(target)


def replace_by_fifo(file: Path) -> None:
    """That nobody reads."""
    file.unlink()
    os.mkfifo(file)


ODDITIES: dict[str, Any] = {
    "gone": lambda file: file.unlink(),
    "empty": lambda file: overwrite(file, b""),
    "half a header": lambda file: overwrite(file, file.read_bytes()[: HEADER // 2]),
    "zeros": lambda file: overwrite(file, bytes(100_000)),
    "foreign": lambda file: overwrite(file, random.Random(3).randbytes(100_000)),
    "another version": lambda file: overwrite(file, b"FLCACHE9" + file.read_bytes()[8:]),
    "another key": lambda file: overwrite(
        file, b"FLCACHE1" + KEYS[1].ljust(HEADER - 8, b"\0") + file.read_bytes()[HEADER:]
    ),
    "link": replace_by_link,
    "fifo": replace_by_fifo,
}


@pytest.mark.parametrize("oddity", ODDITIES)
def test_what_is_no_cache_is_replaced(filled, oddity):
    """Never cut short, never followed: a new file takes its name."""
    dataset, folder, file = filled
    expected = epoch(DataLoader(dataset, batch_size=5))
    ODDITIES[oddity](file)
    loader = DataLoader(dataset, batch_size=5, cache=folder)
    for hits in (0, COUNT):
        before = loader.statistics().cache_hits
        assert_same(epoch(loader), expected)
        assert loader.statistics().cache_hits - before == hits
    assert cache_files(folder) == [file]
    if oddity == "link":
        assert (folder.parent / "precious").read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["folder in place of the file", "file in place of the folder"])
@pytest.mark.usefixtures("nothing_left")
def test_where_no_file_can_be_had(filled, kind):
    """The loader goes on without a cache, and says so once."""
    dataset, folder, file = filled
    expected = epoch(DataLoader(dataset, batch_size=5))
    if kind == "folder in place of the file":
        replace_by_folder(file)
    else:
        folder = file
    loader = DataLoader(dataset, batch_size=5, cache=folder, cache_bytes=10**7)
    with pytest.warns(UserWarning, match="it cannot be opened"):
        assert_same(epoch(loader), expected)
    assert_same(epoch(loader), expected)
    assert "cache: not used: it cannot be opened: [Errno" in str(loader.plan())


@pytest.mark.usefixtures("nothing_left")
def test_replacing_leaves_who_uses_the_old_file_alone(filled):
    """It keeps what it has open."""
    dataset, folder, file = filled
    loader = DataLoader(dataset, batch_size=5, cache=folder)
    assert hits_of(loader) == COUNT
    inode = file.stat().st_ino
    os.rename(file, folder / "moved")
    other = DataLoader(dataset, batch_size=5, cache=folder)
    assert [hits_of(other), hits_of(other), hits_of(loader)] == [0, COUNT, COUNT]
    assert file.stat().st_ino != inode


def test_damage_while_a_loader_runs(filled):
    """Flips and cuts between its epochs: right batches every time."""
    dataset, folder, file = filled
    expected = epoch(DataLoader(dataset, batch_size=5))
    loader = DataLoader(dataset, batch_size=5, num_workers=2, cache=folder)
    draws = random.Random(7)
    for number in range(40):
        with open(file, "r+b") as opened:
            size = opened.seek(0, os.SEEK_END)
            if number % 4 == 3:
                opened.truncate(draws.randrange(size))
            else:
                opened.seek(draws.randrange(size))
                opened.write(draws.randbytes(1 + number))
        assert_same(epoch(loader), expected)
    assert hits_of(loader) == COUNT


def test_read_only_file_is_read(filled, monkeypatch):
    """As on a disk that is mounted read-only, or as another user's; root may write anywhere."""
    dataset, folder, file = filled
    real = os.open

    def refusing(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_ACCMODE != os.O_RDONLY:
            raise PermissionError(13, "Permission denied", path)
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", refusing)
    before = file.read_bytes()
    loader = DataLoader(dataset, batch_size=5, cache=folder)
    with pytest.warns(UserWarning, match="it is only read"):
        assert hits_of(loader) == COUNT
    assert hits_of(loader) == COUNT
    assert str(loader.plan()).endswith("; it is only read: its file cannot be written to")
    assert file.read_bytes() == before


@pytest.fixture
def others(tmp_path: Path) -> list[Path]:
    """Four cache files of 100 kB that nobody uses; the first is the oldest."""
    made = []
    for number, key in enumerate(KEYS[:4]):
        descriptor, writable = cache_folder.open_file(tmp_path, key, 1 << 30, 1 << 30)
        assert writable
        os.pwrite(descriptor, bytes(100_000), HEADER)
        os.close(descriptor)
        path = tmp_path / (key.hex()[:32] + cache_folder.SUFFIX)
        assert path.stat().st_size == 1 << 30
        assert 100_000 < cache_folder.allocated_bytes(path) < 120_000
        os.utime(path, times=(0, time.time() - 1000 * (4 - number)))
        made.append(path)
    return made


@pytest.mark.parametrize(
    ("left_bytes", "kept"), [(10**7, 4), (330_000, 3), (120_000, 1), (1000, 0), (-5, 0)]
)
def test_least_recently_used_go_first(others, left_bytes, kept):
    """As far as the budget asks for it."""
    (others[0].parent / "notes.txt").write_text("not a cache")
    cache_folder.make_room(others[0].parent, KEYS[4], left_bytes)
    assert [path.exists() for path in others] == [False] * (4 - kept) + [True] * kept
    assert (others[0].parent / "notes.txt").exists()


def test_what_was_not_used_for_a_month_goes(others):
    """However much room there is."""
    month = 31 * 86400
    os.utime(others[2], times=(0, time.time() - month))
    cache_folder.make_room(others[0].parent, KEYS[4], 1 << 40)
    assert [path.exists() for path in others] == [True, True, False, True]


@pytest.mark.usefixtures("nothing_left")
def test_what_somebody_uses_stays(others):
    """Its own file, and those that another process has open."""
    user, _ = cache_folder.open_file(others[0].parent, KEYS[1], 1 << 30, 1 << 30)
    cache_folder.make_room(others[0].parent, KEYS[2], 0)
    assert [path.exists() for path in others] == [False, True, True, False]
    os.close(user)


def test_remains_of_processes_that_died_go(others):
    """Those that are an hour old; a younger one may be in the making."""
    folder = others[0].parent
    old, young = folder / ".x.fastload-cache.1.partial", folder / ".y.fastload-cache.2.partial"
    foreign = folder / ".download.partial"
    for path in (old, young, foreign):
        path.touch()
    for path in (old, foreign):
        os.utime(path, times=(0, time.time() - 4000))
    cache_folder.make_room(folder, KEYS[0], 1 << 40)
    assert (old.exists(), young.exists(), foreign.exists()) == (False, True, True)


def test_file_above_a_smaller_budget_is_begun_anew(others):
    """Unless somebody uses it."""
    folder, path = others[0].parent, others[1]
    inode = path.stat().st_ino
    user, _ = cache_folder.open_file(folder, KEYS[1], 1 << 30, 1 << 30)
    os.close(cache_folder.open_file(folder, KEYS[1], 1 << 30, 50_000)[0])
    assert path.stat().st_ino == inode
    os.close(user)
    os.close(cache_folder.open_file(folder, KEYS[1], 1 << 30, 50_000)[0])
    assert path.stat().st_ino != inode
    assert cache_folder.allocated_bytes(path) <= 8192


@pytest.mark.usefixtures("nothing_left")
def test_folder_that_somebody_holds_locked_is_used_without_its_lock(tmp_path, monkeypatch):
    """A process that was stopped at the wrong moment must not stop others for ever."""
    monkeypatch.setattr(cache_folder, "_LOCK_SECONDS", 0.05)
    holder = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(holder, fcntl.LOCK_EX)
    descriptor, writable = cache_folder.open_file(tmp_path, KEYS[0], 10_000, 1 << 30)
    assert writable
    assert os.pread(descriptor, 8, 0) == b"FLCACHE1"
    os.close(descriptor)
    os.close(holder)


def test_folder_of_two_transforms_keeps_both_within_the_budget(photo_store, tmp_path):
    """Runs that alternate find their files; a budget for one keeps one."""
    from torchvision import transforms

    small = transforms.Compose([transforms.Resize((40, 40)), transforms.ToTensor()])

    def hits(transform: Any, cache_bytes: int) -> int:
        loader = DataLoader(
            LMDBDataset(photo_store, transform), batch_size=5, cache=tmp_path,
            cache_bytes=cache_bytes,
        )  # fmt: skip
        return hits_of(loader)

    assert [hits(t, 10**7) for t in (STILL, small, STILL, small)] == [0, 0, COUNT, COUNT]
    assert len(cache_files(tmp_path)) == 2
    assert [hits(t, 150_000) for t in (small, STILL, small)] == [COUNT, 0, 0]
    assert len(cache_files(tmp_path)) == 1


@pytest.mark.parametrize("left_bytes", [0, 4096, 45_056])
def test_full_disk(photo_store, tmp_path, left_bytes):
    """A tmpfs that holds nothing more, the first page, or some of the samples."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = 1 << 20
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)]
    if subprocess.run(command, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small tmpfs can be mounted by root only")
    try:
        (folder / "other").write_bytes(bytes(size - left_bytes))
        dataset = LMDBDataset(photo_store, STILL)
        expected = epoch(DataLoader(dataset, batch_size=5))
        loader = DataLoader(dataset, batch_size=5, num_workers=2, cache=folder, cache_bytes=10**7)
        hits = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(3):
                before = loader.statistics().cache_hits
                assert_same(epoch(loader), expected)
                hits.append(loader.statistics().cache_hits - before)
        assert len(caught) == 1
        assert "No space left on device" in str(caught[0].message)
        assert "No space left on device" in loader.plan().notes[-1]
        assert hits[0] == 0
        assert hits[1] == hits[2]
        assert (hits[1] > 5) == (left_bytes > 4096)
        assert len(cache_files(folder)) == (2 if left_bytes else 1)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
