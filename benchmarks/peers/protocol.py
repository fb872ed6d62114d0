"""How the benchmark talks to a loader's process; imports NumPy and nothing else of others.

The process gets a job (a path to JSON), makes its first batches, writes one line of JSON on its
standard output, then reads commands from its standard input, one a line, and answers each with one
line. It ends with its input. What libraries print goes to standard error. Between commands the
benchmark stops the whole process group, so that nothing runs ahead of its turn.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # before NumPy and torch; decoding is what is compared

import numpy as np  # noqa: E402 - after the environment

from . import counting, process  # noqa: E402

CROP, RESIZE = 224, 256
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
WARM_BATCHES, WARM_SECONDS = 12, 1.0
ROUNDS = 3  # of disturb


@dataclass(frozen=True)
class Job:
    """What a loader is to read.

    Attributes:
        mode: "train": RandomResizedCrop(224), horizontal flip, float, normalize, shuffled.
            "val": Resize(256), CenterCrop(224), float, normalize, in the order of the files.
        root: an ImageFolder of JPEG files.
        files: its files, in ImageFolder's order.
        store: fastload's store of the same files.
        scratch: a folder for files that a loader makes of its own, kept for all modes.
        workers: processes, or threads.
        batch_size: images a batch; incomplete batches are dropped.
        repeat: an epoch is so many times all files.
        check: so many of the first images are kept in ``outputs``.
        outputs: where those go: float32 [check, 3, 224, 224] in NumPy's format.
    """

    mode: str
    root: str
    files: list[str]
    store: str
    scratch: str
    workers: int
    batch_size: int
    repeat: int
    check: int
    outputs: str

    @property
    def train(self) -> bool:
        """Whether the mode is "train"."""
        return self.mode == "train"


#: Gives batches without end: arrays or tensors, float32 [batch_size, 3, 224, 224], normalized.
Batches = Callable[[Job], Iterator[Any]]


def serve(batches: Batches, *packages: str, extra: dict[str, Any] | None = None) -> None:
    """Answer until the input ends.

    Args:
        batches: the loader.
        packages: distributions whose versions are reported.
        extra: what else is told when ready; filled in by ``batches`` while it starts.
    """
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    imported = process.memory()
    started = time.perf_counter()
    source = batches(job)
    first = np.asarray(next(source))
    first_seconds = time.perf_counter() - started
    _check(first, job)
    kept = [first.copy()]
    while sum(map(len, kept)) < job.check:
        kept.append(np.asarray(next(source)).copy())
    np.save(job.outputs, np.concatenate(kept)[: job.check])
    answer(
        {
            "versions": {name: metadata.version(name) for name in packages},
            "first_batch_seconds": first_seconds,
            "memory_after_imports": imported,
        }
        | (extra or {})
    )
    del first, kept
    commands = {"measure": measure, "disturb": disturb}
    for line in sys.stdin:
        command = json.loads(line)
        answer(commands[command["do"]](source, job, command["seconds"]))


def _check(batch: np.ndarray, job: Job) -> None:
    shape = (job.batch_size, 3, CROP, CROP)
    if batch.shape != shape or batch.dtype != np.float32:
        raise SystemExit(f"expected float32 {shape}, found {batch.dtype} {batch.shape}")


def _warm_up(source: Iterator[Any], seconds: float) -> None:
    """Use up what was made ahead, and let queues find their level."""
    until, count = time.perf_counter() + min(WARM_SECONDS, seconds), 0
    while count < WARM_BATCHES or time.perf_counter() < until:
        next(source)
        count += 1


def measure(source: Iterator[Any], job: Job, seconds: float) -> dict[str, Any]:
    """Take batches for so long; the clock starts and ends where a batch arrives."""
    _warm_up(source, seconds)
    cpu, python_cpu = process.cpu_seconds(), process.python_threads_cpu_seconds()
    start = now = time.perf_counter()
    images = 0
    while now - start < seconds:
        batch = next(source)
        images += len(batch)
        now = time.perf_counter()
    _check(np.asarray(batch), job)
    return {
        "images": images,
        "seconds": now - start,
        "cpu_seconds": process.cpu_seconds() - cpu,
        "python_threads_cpu_seconds": process.python_threads_cpu_seconds() - python_cpu,
        "memory": process.memory(),
    }


def disturb(source: Iterator[Any], job: Job, seconds: float) -> dict[str, Any]:
    """How much a thread's own Python work is slowed by the loader in its process.

    A thread counts: first while no batch is made, then while this thread takes batches. The same
    counting in another process tells what the machine does to any work beside such a load; the
    rest is the GIL's.
    """
    _warm_up(source, seconds)

    def in_thread() -> float:
        return counting.count(seconds)

    def in_process() -> float:
        command = [sys.executable, "-S", counting.__file__, str(seconds)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def beside_batches(count: Callable[[], float]) -> tuple[float, int]:
        images = 0
        with ThreadPoolExecutor(1) as pool:
            counted = pool.submit(count)
            while not counted.done():
                images += len(next(source))
            return counted.result(), images

    rates: dict[str, list[float]] = {}
    images = []
    for _ in range(ROUNDS):
        time.sleep(1.0)  # until all that the loader makes ahead is made
        rates.setdefault("thread_alone", []).append(in_thread())
        rates.setdefault("process_alone", []).append(in_process())
        for name, count in (("thread_beside", in_thread), ("process_beside", in_process)):
            rate, taken = beside_batches(count)
            rates.setdefault(name, []).append(rate)
            images.append(taken / seconds)
    median = {name: statistics.median(values) for name, values in rates.items()}
    of_machine = 1 - median["process_beside"] / median["process_alone"]
    in_all = 1 - median["thread_beside"] / median["thread_alone"]
    return {
        "workers": job.workers,
        "images_per_second": statistics.median(images),
        "counts_per_second": rates,
        "slowed": in_all,
        "slowed_in_another_process": of_machine,
        "slowed_by_the_gil": 1 - (1 - in_all) / (1 - of_machine),
    }
