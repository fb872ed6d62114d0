"""Samplers whose order can be asked for before its epoch."""

from __future__ import annotations

from typing import Any

from torch.utils.data import BatchSampler, SequentialSampler
from torch.utils.data.distributed import DistributedSampler

__all__ = ["why_not_early"]

_LISTS = (list, tuple, range)


def why_not_early(loader: Any) -> str | None:
    """Why a loader's sampler cannot be asked early, or None where it can.

    Asking must change nothing, and the answer must not depend on when it is asked. Exact types
    only: a subclass may do anything.
    """
    sampler = loader.batch_sampler
    if type(sampler) is BatchSampler:
        sampler = sampler.sampler
    elif sampler is None:
        sampler = loader.sampler
    if type(sampler) in (SequentialSampler, *_LISTS):
        return None
    if type(sampler) is DistributedSampler:
        return "its DistributedSampler shuffles" if sampler.shuffle else None
    return (
        f"its {type(sampler).__name__} may draw random numbers or change by being asked; expected "
        "a SequentialSampler (shuffle=False), a DistributedSampler(shuffle=False) or a list"
    )
