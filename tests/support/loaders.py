"""What tests of loaders share: transforms, epochs, comparisons, and what a process holds."""

from __future__ import annotations

import gc
import inspect
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.utils.data
from torchvision import transforms

from fastload.store import Store

#: Gives the same for the same picture, whoever runs it.
STILL = transforms.Compose(
    [
        transforms.Resize(40),
        transforms.CenterCrop(32),
        transforms.ToTensor(),
        transforms.Normalize((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)),
    ]
)
#: Draws random numbers; all of it runs in the core.
RANDOM = transforms.Compose(
    [
        transforms.RandomResizedCrop(32),
        transforms.RandomHorizontalFlip(),
        transforms.ToTensor(),
    ]
)

#: What torch takes from 2.6 on.
UNORDERED: dict[str, Any] = (
    {"in_order": False}
    if "in_order" in inspect.signature(torch.utils.data.DataLoader).parameters
    else {}
)


def halved(image: Any) -> torch.Tensor:
    """A transform that only Python knows: a picture as float32 [height, width, 3]."""
    return torch.from_numpy(np.array(image)).float() / 2


def epoch(loader: Any, seed: int = 3) -> list[Any]:
    """All batches of one epoch, from a fixed state of torch's generator."""
    torch.manual_seed(seed)
    return list(loader)


def torch_epoch(dataset: Any, seed: int = 3, **options: Any) -> list[Any]:
    """The same from torch's own loader."""
    return epoch(torch.utils.data.DataLoader(dataset, **options), seed)


def assert_same(found: Any, expected: Any) -> None:
    """Equal values in the same structure of the same types."""
    assert type(found) is type(expected)
    if isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert torch.equal(found, expected)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_same(one, other)
    else:
        assert found == expected


def damage_record(path: Path, index: int) -> None:
    """Flip one bit in the middle of a record's body."""
    with Store(path) as store:
        offset = int(store.column("file_offset")[index] + store.column("length")[index] // 2)
    with open(path, "r+b") as file:
        file.seek(offset)
        (value,) = file.read(1)
        file.seek(offset)
        file.write(bytes([value ^ 0x10]))


@dataclass(frozen=True)
class Holdings:
    """What a process holds of the system.

    Attributes:
        threads: of the process, Python's and others.
        descriptors: open ones.
        children: processes.
        shared_files: its names in /dev/shm, and those of dead processes.
        anonymous_bytes: memory that no file stands for.
    """

    threads: int
    descriptors: int
    children: int
    shared_files: frozenset[str]
    anonymous_bytes: int


def holdings() -> Holdings:
    """What this process holds now, after a collection."""
    gc.collect()
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    children = 0
    for task in Path("/proc/self/task").iterdir():
        children += len((task / "children").read_text().split())
    return Holdings(
        threads=int(status["Threads"]),
        descriptors=len(os.listdir("/proc/self/fd")),
        children=children,
        shared_files=frozenset(filter(_ours, os.listdir("/dev/shm"))),
        anonymous_bytes=int(status["RssAnon"].split()[0]) * 1024,
    )


def _ours(name: str) -> bool:
    """Whether a name in /dev/shm is of this process, or of one that is dead; torch names them."""
    parts = name.split("_")
    if parts[0] != "torch" or len(parts) < 3 or not parts[1].isdigit():
        return False
    return int(parts[1]) == os.getpid() or not Path("/proc", parts[1]).exists()


def settled(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether a condition comes true within some seconds."""
    ends = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > ends:
            return False
        time.sleep(0.02)
    return True


def assert_nothing_left(before: Holdings) -> None:
    """Threads, descriptors, children and /dev/shm are as before, soon."""

    def clean() -> bool:
        now = holdings()
        return (
            now.threads <= before.threads
            and now.descriptors <= before.descriptors
            and now.children <= before.children
            and now.shared_files <= before.shared_files
        )

    names = [thread.name for thread in threading.enumerate()]
    assert settled(clean), f"before: {before}, now: {holdings()}, threads: {names}"
