"""Packing shards as tasks of a Ray cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from fastload.convert.deduped import DedupedSource, Key
from fastload.convert.earlier import EarlierStore
from fastload.convert.findings import Finding
from fastload.convert.options import PackOptions
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress
from fastload.convert.shard_job import MadeShard, ShardJob
from fastload.convert.shares import Share
from fastload.convert.targets import Target
from fastload.errors import FastloadError, MissingLibraryError, PackError
from fastload.store import Store

__all__ = ["make_on_ray", "pack_share"]

#: Of a task whose worker or machine is lost; what it had packed is gone on with.
_RETRIES = 3


@dataclass(frozen=True)
class _Order:
    """What all tasks of a run are told; two are equal where they are of the same run.

    Attributes:
        run: another for each run, which may find the source changed.
        source: what to pack, as given to ``pack``.
        left_out: photos that repeat others, by (name, split).
        path, split, folder, generation, options: of the job.
        earlier: where photos are taken from that were packed before.
    """

    run: str
    source: str = field(compare=False)
    left_out: Mapping[Key, Finding] = field(compare=False)
    path: Path = field(compare=False)
    split: str = field(compare=False)
    folder: Path = field(compare=False)
    generation: int = field(compare=False)
    options: PackOptions = field(compare=False)
    earlier: tuple[Path, ...] = field(compare=False)


def make_on_ray(
    source: str | os.PathLike[str],
    left_out: Mapping[Key, Finding],
    job: ShardJob,
    shares: Sequence[Share],
    note: Callable[[Finding], None],
    progress: Progress,
) -> Iterator[MadeShard]:
    """All shards, in order, each made by a task.

    Uses the cluster that Ray is connected to or ``RAY_ADDRESS`` names, else starts Ray on this
    machine. A task takes as many cores as the options' ``workers`` says, or one.

    Args:
        source: as given to ``pack``: each worker opens it by itself.
        left_out: photos of it that are left out, by (name, split).
        job: what is to be made; of it, all but the opened source.
        shares: of the job's source.
        note: called with each finding.
        progress: shown how far it is.

    Raises:
        MissingLibraryError: Ray is not installed.
        PackError: a shard's workers were lost again and again; or as ``ShardJob.make``.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        local = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        ray.init(log_to_driver=False, configure_logging=False, **local)
    options = replace(job.options, workers=job.options.workers or 1)
    task = ray.remote(num_cpus=options.workers, max_retries=_RETRIES)(pack_share)
    order = ray.put(
        _Order(
            run=uuid.uuid4().hex,
            source=os.path.abspath(source),
            left_out=left_out,
            path=job.target.path,
            split=job.target.split,
            folder=job.folder,
            generation=job.generation,
            options=options,
            earlier=tuple(Path(one.store.path) for one in job.earlier),
        )
    )

    def submit(share: Share) -> Any:
        return task.remote(order, share)

    cores = ray.cluster_resources().get("CPU", 1)
    at_once = max(2, int(2 * cores / options.workers))
    try:
        yield from _results(ray, submit, shares, at_once, note, progress)
    finally:
        # Where Ray stays, the few tasks under way finish their shards, for the next run: to cancel
        # one that is about to end can make Ray abort the whole process ("not pending").
        if started:
            ray.shutdown()


def pack_share(order: _Order, share: Share) -> tuple[MadeShard, list[Finding]]:
    """A task: one shard, and what there is to say about its photos."""
    findings: list[Finding] = []
    with quiet_pillow():
        made = _job(order).make(share, findings.append)
    return made, findings


@lru_cache(maxsize=1)
def _job(order: _Order) -> ShardJob:
    """The source is listed once for all of a run's tasks that a worker is given."""
    source = order.options.open_source(order.source)
    if order.left_out:
        source = DedupedSource(source, order.left_out)
    if order.split:
        source = source.select(source.split_names.index(order.split))
    target = Target(order.path, source, order.split, sharded=True)
    earlier = [EarlierStore(Store(path)) for path in order.earlier]
    return ShardJob(target, order.folder, order.generation, order.options, earlier)


def _results(
    ray: Any,
    submit: Callable[[Share], Any],
    shares: Sequence[Share],
    at_once: int,
    note: Callable[[Finding], None],
    progress: Progress,
) -> Iterator[MadeShard]:
    progress.start("packing on Ray", sum(share.photos for share in shares))
    coming = iter(shares)
    waiting = {submit(share): share for share in islice(coming, at_once)}
    made: dict[int, MadeShard] = {}
    while waiting:
        for reference in ray.wait(list(waiting))[0]:
            share = waiting.pop(reference)
            one, findings = _result(ray, reference, share)
            for finding in findings:
                note(finding)
            progress.advance(one.shard.samples, one.source_bytes)
            made[share.number] = one
            waiting |= {submit(share): share for share in islice(coming, 1)}
    for number in sorted(made):
        yield made[number]


def _result(ray: Any, reference: Any, share: Share) -> tuple[MadeShard, list[Finding]]:
    try:
        found: tuple[MadeShard, list[Finding]] = ray.get(reference)
        return found
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, FastloadError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise PackError(
            f"shard {share.number}: Ray has lost its workers {_RETRIES + 1} times, the last "
            f"time so: {error}; what is packed stays: run the same command again"
        ) from error


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise MissingLibraryError(
            "--engine ray: expected Ray, found it not installed; pip install 'fastload[ray]', on "
            "every machine of the cluster, or leave --engine out"
        ) from error
    return ray
