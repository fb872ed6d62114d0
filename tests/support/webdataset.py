"""Small tars of photos."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from support.trees import write_photo

__all__ = ["cut_in", "photo_bytes", "tar_members", "webdataset_set", "write_tar"]


def photo_bytes(folder: Path, seed: int, format_name: str = "JPEG") -> bytes:
    """A photo of 32 x 40."""
    path = write_photo(folder / f"{seed}.tmp", 32, 40, seed=seed, format_name=format_name)
    data = path.read_bytes()
    path.unlink()
    return data


def write_tar(
    path: Path,
    members: Iterable[tuple[str, bytes] | tarfile.TarInfo],
    *,
    form: int = tarfile.USTAR_FORMAT,
) -> Path:
    """A tar with these members in order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form, errors="surrogateescape") as tar:
        for number, member in enumerate(members):
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size, info.mtime, info.mode = len(member[1]), 1_600_000_000 + number, 0o640
            tar.addfile(info, io.BytesIO(member[1]))
    return path


def webdataset_set(root: Path) -> Path:
    """12 photos in three tars of two splits; the last tar is cut short in its last photo."""
    root.mkdir(parents=True)
    photos = [photo_bytes(root, number) for number in range(12)]
    for start, name in ((0, "train-0.tar"), (5, "train-1.tar"), (9, "val-0.tar")):
        members: list[tuple[str, bytes]] = []
        for number in range(start, {0: 5, 5: 9, 9: 12}[start]):
            members.append((f"cats/{number:03}.jpg", photos[number]))
            if number != 4:
                members.append((f"cats/{number:03}.cls", b"cat" if number == 7 else b"dog\n"))
            if number % 2:
                text = json.dumps({"caption": f"é {number}"}).encode()
                members.append((f"cats/{number:03}.json", text))
        if start == 0:
            members[1:1] = [("cats/000.Mask.png", b"no png\0"), ("README", b"hello")]
        if start == 9:
            members.append(("cut.jpg", photos[0]))
        path = write_tar(root / name, members)
        if start == 9:
            cut_in(path, "cut.jpg")
    return root


def cut_in(path: Path, name: str) -> int:
    """Cut a tar short, ten bytes into a member; returns where its header stands."""
    with tarfile.open(path) as tar:
        info = tar.getmember(name)
    with open(path, "r+b") as file:
        file.truncate(info.offset_data + 10)
    return info.offset


def tar_members(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """(bytes, mtime_ns, mode) of every whole member with a key, below its tar's name."""
    found = {}
    for path in sorted(root.rglob("*.tar")):
        with tarfile.open(path) as tar, suppress(tarfile.ReadError):
            for info in tar:
                file = tar.extractfile(info)
                assert file is not None
                data = file.read()
                if "." in info.name:
                    name = f"{path.relative_to(root)}/{info.name}"
                    found[name] = (data, int(info.mtime) * 10**9, info.mode)
    return found
