"""No loader: fastload's core functions in plain threads, on records in memory, to a warm batch.

What the engine costs beyond this is the price of reading, queues, ordering and handing over.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from fastload import Store
from fastload.transforms import lower

from . import protocol, torch_loader


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    store = Store(job.store)
    records = [bytes(store.record_bytes(i)) for i in range(len(store))]
    recipe = lower(torch_loader.pil_transform(job)).recipe()
    shape = (job.batch_size, 3, protocol.CROP, protocol.CROP)
    # Twice the batches that threads write to, so that none is written to while it is looked at.
    slots = [np.zeros(shape, np.float32) for _ in range(2 * max(1, job.workers))]

    def fill(number: int) -> np.ndarray:
        batch = slots[number % len(slots)]
        for place in range(job.batch_size):
            position = number * job.batch_size + place
            recipe.render_record(records[position % len(records)], 0, position, batch[place])
        return batch

    with ThreadPoolExecutor(max(1, job.workers)) as pool:
        running = [pool.submit(fill, number) for number in range(max(1, job.workers))]
        number = len(running)
        while True:
            batch = running.pop(0).result()
            running.append(pool.submit(fill, number))
            number += 1
            yield batch


if __name__ == "__main__":
    protocol.serve(batches, "fastload")
