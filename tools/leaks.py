"""Loaders in every way of ending, again and again; then what the process still holds.

Each round is a random loader (store or files, threads, batch size, path, error policy) that is
run to its end, left, broken by an exception, forked, pickled, or resumed. Passes when threads,
descriptors, children and /dev/shm are after every hundred rounds what they were after the first,
and anonymous memory has grown by less than 0.5 MB a minute in the second half of the run: the
first has the heap's own settling in it, a few MB that come once.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import pickle
import random
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torture_photos import make_source

from fastload import DataLoader, LMDBDataset
from fastload.convert import pack
from support.loaders import RANDOM, STILL, Holdings, assert_nothing_left, holdings

ROUNDS = 100
BYTES_A_MINUTE = 500_000
TAIL = transforms.Compose([*STILL.transforms, torch.neg])


def to_the_end(loader: Any) -> None:
    """A whole epoch."""
    for _batch in loader:
        pass


def left(loader: Any) -> None:
    """Some batches, then nobody asks any more."""
    for _ in zip(range(random.randrange(4)), loader, strict=False):
        pass


def broken(loader: Any) -> None:
    """An exception in the training step."""
    with suppress(KeyError):
        for _batch in loader:
            raise KeyError


def twice_at_once(loader: Any) -> None:
    """Two iterators, one of them abandoned."""
    for _ in zip(loader, iter(loader), strict=True):
        if random.random() < 0.3:
            break


def pickled(loader: Any) -> None:
    """A copy runs, the original is under way."""
    iterator = iter(loader)
    next(iterator, None)
    to_the_end(pickle.loads(pickle.dumps(loader)))


def resumed(loader: Any) -> None:
    """Left and taken up again."""
    left(loader)
    loader.load_state_dict(loader.state_dict())
    to_the_end(loader)


ENDINGS: tuple[Callable[[Any], None], ...] = (
    to_the_end,
    left,
    broken,
    twice_at_once,
    pickled,
    resumed,
)


def one_round(store: Path, folder: Path) -> None:
    """One loader, one ending."""
    # torch's worker processes are slow, so they come rarely. They meet no bad files (after an
    # error, torch often waits 5 seconds for a worker to end) and are never left alone: a worker
    # that is ended while it hands a batch over leaves the batch in /dev/shm, with torch alone too.
    transform = random.choices((STILL, RANDOM, TAIL), (10, 10, 1))[0]
    from_store = transform is TAIL or random.random() < 0.5
    dataset: Any = (
        LMDBDataset(store, transform) if from_store else ImageFolder(str(folder), transform)
    )
    loader: DataLoader[Any] = DataLoader(
        dataset,
        batch_size=random.choice((1, 3, 8, 100)),
        shuffle=random.random() < 0.5,
        num_workers=random.randrange(3),
        memory_budget_bytes=random.choice((1, 1 << 18, 1 << 28)),
        on_error=random.choice(("skip", "replace")),
    )
    ending = to_the_end if transform is TAIL else random.choice(ENDINGS)
    ending(loader)


def give_back_free_memory() -> None:
    """To the system, so that what stays is held by someone."""
    gc.collect()
    with suppress(OSError, AttributeError):  # another libc
        ctypes.CDLL(None).malloc_trim(0)


def report(number: int, now: Holdings) -> None:
    """One line."""
    print(
        f"{number} rounds: {now.threads} threads, {now.descriptors} descriptors, "
        f"{now.children} children, {now.anonymous_bytes / 1e6:.1f} MB anonymous",
        flush=True,
    )


def main() -> int:
    """Returns 1 where something is left."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as scratch:
        folder, store = Path(scratch) / "source", Path(scratch) / "store.lmdb"
        make_source(folder, 60)
        pack(folder, store)
        first: Holdings | None = None
        memory: list[tuple[float, int]] = []  # seconds, bytes
        began = time.monotonic()
        number = 0
        while first is None or time.monotonic() - began < 60 * arguments.minutes:
            for _ in range(ROUNDS):
                one_round(store, folder)
            number += ROUNDS
            give_back_free_memory()
            now = holdings()
            report(number, now)
            memory.append((time.monotonic(), now.anonymous_bytes))
            if first is None and number >= 3 * ROUNDS:
                first, began = now, time.monotonic()
            elif first is not None:
                assert_nothing_left(first)
        half = memory[len(memory) // 2 :]
        minutes = (half[-1][0] - half[0][0]) / 60
        growth = (half[-1][1] - half[0][1]) / minutes if minutes > 0 else 0.0
        print(f"anonymous memory: {growth / 1e6:+.3f} MB a minute")
        return int(growth > BYTES_A_MINUTE)


if __name__ == "__main__":
    sys.exit(main())
