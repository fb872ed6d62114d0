"""Packing shards as tasks of a Ray cluster."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from fastload.convert.findings import Finding
from fastload.convert.options import PackOptions
from fastload.convert.photo import quiet_pillow
from fastload.convert.progress import Progress, Silent
from fastload.convert.shard_job import MadeShard, make_shard
from fastload.convert.shares import Share
from fastload.convert.sources import Source
from fastload.errors import FastloadError, MissingLibraryError, PackError

__all__ = ["make_on_ray", "pack_share"]

#: Of a task whose worker or machine is lost; what it had packed is gone on with.
_RETRIES = 3


def make_on_ray(
    source: str | os.PathLike[str],
    folder: Path,
    shares: Sequence[Share],
    options: PackOptions,
    note: Callable[[Finding], None],
    progress: Progress | None,
) -> Iterator[MadeShard]:
    """All shards, in order, each made by a task.

    Uses the cluster that Ray is connected to or ``RAY_ADDRESS`` names, else starts Ray on this
    machine. A task takes as many cores as ``options.workers`` says, or one.

    Raises:
        MissingLibraryError: Ray is not installed.
        PackError: a shard's workers were lost again and again; or as ``make_shard``.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        local = {} if os.environ.get("RAY_ADDRESS") else {"include_dashboard": False}
        ray.init(log_to_driver=False, configure_logging=False, **local)
    options = replace(options, workers=options.workers or 1)
    task = ray.remote(num_cpus=options.workers, max_retries=_RETRIES)(pack_share)
    path, run = os.path.abspath(source), uuid.uuid4().hex

    def submit(share: Share) -> Any:
        return task.remote(path, str(folder), share, options, run)

    cores = ray.cluster_resources().get("CPU", 1)
    at_once = max(2, int(2 * cores / options.workers))
    try:
        yield from _results(ray, submit, shares, at_once, note, progress or Silent())
    finally:
        # Where Ray stays, the few tasks under way finish their shards, for the next run: to cancel
        # one that is about to end can make Ray abort the whole process ("not pending").
        if started:
            ray.shutdown()


def pack_share(
    source: str, folder: str, share: Share, options: PackOptions, run: str
) -> tuple[MadeShard, list[Finding]]:
    """A task: one shard, and what there is to say about its photos.

    ``run`` is another for each run, which may find the source changed.
    """
    findings: list[Finding] = []
    opened = _open(source, options, run)
    with quiet_pillow():
        made = make_shard(opened, Path(folder), share, options, findings.append)
    return made, findings


@lru_cache(maxsize=1)
def _open(source: str, options: PackOptions, _run: str) -> Source:
    """Listed once for all of a run's tasks that a worker is given."""
    return options.open_source(source)


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
            f"{share.name}: Ray has lost its workers {_RETRIES + 1} times, the last time so: "
            f"{error}; what is packed stays: run the same command again"
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
