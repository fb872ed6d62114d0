"""What tests run in child processes: spawned ones import it by name, unlike a test module."""

from __future__ import annotations

from collections.abc import Iterable
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


def child_epoch(loader: Any, queue: Any) -> None:
    """Sends an epoch's checksums."""
    queue.put([float(images.double().sum()) for images, _ in loader])
