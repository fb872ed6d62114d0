"""What tests run in child processes: spawned ones import it by name, unlike a test module."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from fastload.store import Store


def pixel_sums(dataset: Iterable[Any]) -> list[int]:
    """The sum of each sample's values; the same in every process, as hashes are not."""
    return [int(np.asarray(image).sum()) for image, _ in dataset]


def send_pixel_sums(dataset: Iterable[Any], connection: Connection) -> None:
    """Send ``pixel_sums`` to the parent."""
    connection.send(pixel_sums(dataset))


def read_all(store: Store) -> list[bytes]:
    """Every record's bytes."""
    return [store.record_bytes(index) for index in range(len(store))]


def epoch_sums(loader: Iterable[Any]) -> list[float]:
    """A checksum of each batch's images."""
    return [float(images.double().sum()) for images, _ in loader]


def send_epochs(loaders: Sequence[Iterable[Any]], queue: Any) -> None:
    """Sends the checksums of an epoch of each."""
    queue.put([epoch_sums(loader) for loader in loaders])


def epochs_in_child(loaders: Sequence[Iterable[Any]], method: str) -> list[list[float]]:
    """The checksums of an epoch of each, from one child process, which ends well."""
    context = multiprocessing.get_context(method)
    queue: Any = context.Queue()
    child = context.Process(target=send_epochs, args=(loaders, queue))  # type: ignore[attr-defined]
    child.start()
    found: list[list[float]] = queue.get(timeout=60)
    child.join(30)
    assert child.exitcode == 0
    child.close()
    queue.close()
    return found


def decide_in_rank(rank: int, port: int, queue: Any) -> None:
    """What a policy by time decides in one of two ranks, whose validations take differently long.

    Rank 0's take 10 % of an epoch, so that they fit every third time; rank 1's would always fit.
    """
    import torch

    from fastload import ValidationPolicy

    torch.set_num_threads(1)  # threads that a forked process does not have
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2
    )
    now = [0.0]
    policy = ValidationPolicy(time_share=0.05, clock=lambda: now[0])
    decisions = []
    for epoch in range(4):
        now[0] += 100
        decision = policy.after_epoch(epoch)
        decisions.append(bool(decision))
        if decision:
            with policy.validating():
                now[0] += 9 if rank == 0 else 0.1
    torch.distributed.destroy_process_group()
    queue.put((rank, decisions))
