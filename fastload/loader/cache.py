"""``CacheKeeper``: a loader's cache, opened when an epoch begins."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from typing import Any
from weakref import WeakValueDictionary

from fastload import _core
from fastload.loader import cache_folder
from fastload.loader.cache_plan import CachePlan
from fastload.loader.memory import available_bytes

__all__ = ["CacheKeeper"]

_MOST_BYTES = 1 << 62  # what the core can count


class _Opened:
    """An open cache, or what kept it from being opened.

    Args:
        plan: says where and how large.
    """

    def __init__(self, plan: CachePlan) -> None:
        self.cache: Any = None
        self.budget_bytes = 0
        self._writable = True
        self._failure: str | None = None
        try:
            self.budget_bytes = _budget_bytes(plan)
            if plan.fitting(self.budget_bytes):
                self.cache = self._open(plan)
        except (OSError, ValueError) as error:
            self._failure = f"it cannot be opened: {error}"

    def _open(self, plan: CachePlan) -> Any:
        descriptor = self._descriptor(plan)
        try:
            return _core.SampleCache(
                descriptor, channels=plan.channels, height=plan.height, width=plan.width,
                key=int.from_bytes(plan.key[:8], "little"), budget_bytes=self.budget_bytes,
                writable=self._writable,
            )  # fmt: skip
        finally:
            os.close(descriptor)

    def _descriptor(self, plan: CachePlan) -> int:
        if plan.folder is None:
            if hasattr(os, "memfd_create"):
                return os.memfd_create("fastload-cache", os.MFD_CLOEXEC)
            with tempfile.TemporaryFile() as file:  # without a name: gone with the process
                return os.dup(file.fileno())
        descriptor, self._writable = cache_folder.open_file(
            plan.folder, plan.key, plan.file_bytes, self.budget_bytes
        )
        others_bytes = self.budget_bytes - min(plan.full_bytes, self.budget_bytes)
        cache_folder.make_room(plan.folder, plan.key, others_bytes)
        return descriptor

    def problem(self, plan: CachePlan) -> str | None:
        """Why it is not used, or not as it should be."""
        if self._failure:
            return self._failure
        if self.cache is None:
            return _too_small(plan, self.budget_bytes)
        if not self._writable:
            return "it is only read: its file cannot be written to"
        code = self.cache.write_error
        if code:
            return f"writing stopped after {self.cache.written:,} samples: {os.strerror(code)}"
        return None


#: Caches in memory that are open in this process: loaders of the same pictures have one.
_in_memory: WeakValueDictionary[Any, _Opened] = WeakValueDictionary()


def _opened(plan: CachePlan) -> _Opened:
    if plan.folder is not None:
        return _Opened(plan)
    found = _in_memory.get(plan.identity)
    if found is None:
        found = _in_memory[plan.identity] = _Opened(plan)
    return found


class CacheKeeper:
    """Has the cache of the latest plan open, and says what became of it.

    A forked child has it too: the same memory, or the same file. What is unpickled opens it anew.
    """

    def __init__(self) -> None:
        self._plan: CachePlan | None = None
        self._opened: _Opened | None = None
        self._warned = False

    def begin(self, plan: CachePlan | None) -> None:
        """An epoch begins.

        Warns once where a cache cannot be opened, or cannot be written to any more.
        """
        self.open(plan)
        problem = None if plan is None or self._opened is None else self._opened.problem(plan)
        if problem and not self._warned:
            self._warned = True
            warnings.warn(f"cache={_place(plan)!r}: {problem}", stacklevel=7)

    def open(self, plan: CachePlan | None) -> Any:
        """The core's cache; None where there is none, or none can be had."""
        if plan is None:
            self._plan = self._opened = None
            return None
        if self._opened is None or not self._has(plan):
            self._opened, self._warned = _opened(plan), False
        self._plan = plan
        return self._opened.cache

    def _has(self, plan: CachePlan) -> bool:
        return plan is self._plan or (
            self._plan is not None and self._plan.identity == plan.identity
        )

    def holds_all(self, plan: CachePlan | None) -> bool:
        """Whether there is room for every sample, and nothing against keeping it."""
        return (
            self.open(plan) is not None
            and plan is not None
            and self._opened is not None
            and plan.fitting(self._opened.budget_bytes) == plan.samples
            and self._opened.problem(plan) is None
        )

    def is_full(self, plan: CachePlan) -> bool:
        """Whether as much is kept as all samples take: others of the source count too, and small
        gaps within a page.
        """
        if self.open(plan) is None:
            return False
        kept_bytes = self.used_bytes - _core.SampleCache.file_header_bytes
        return kept_bytes >= plan.samples * plan.slot_bytes

    def note(self, plan: CachePlan) -> str:
        """What is kept, for the loader's plan."""
        opened = self._opened if self._has(plan) else None
        try:
            budget_bytes = _budget_bytes(plan) if opened is None else opened.budget_bytes
        except OSError as error:
            return f"cache: not used: {error}"
        problem = None if opened is None else opened.problem(plan)
        fitting = plan.fitting(budget_bytes)
        if not fitting or (opened is not None and opened.cache is None):
            return f"cache: not used: {problem or _too_small(plan, budget_bytes)}"
        full = _megabytes(plan.full_bytes)
        if fitting == plan.samples:
            text = f"all of {plan.samples:,} samples, {full}"
        else:
            text = (
                f"about {fitting:,} of {plan.samples:,} samples, {_megabytes(budget_bytes)} "
                f"of the {full} that all would take"
            )
        return f"cache: {_place(plan)}, {text}" + (f"; {problem}" if problem else "")

    @property
    def used_bytes(self) -> int:
        """What the open cache takes, whoever filled it; 0 where none is open."""
        cache = None if self._opened is None else self._opened.cache
        return 0 if cache is None else int(cache.used_bytes)


def _place(plan: CachePlan | None) -> str:
    return "memory" if plan is None or plan.folder is None else str(plan.folder)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count >= 9.5e6 else f"{count / 1e6:.1f} MB"


def _too_small(plan: CachePlan, budget_bytes: int) -> str:
    return f"{budget_bytes:,} bytes do not hold one sample of {plan.slot_bytes:,}"


def _budget_bytes(plan: CachePlan) -> int:
    """As asked, or a share of what is free; in a folder, what its caches take counts as free."""
    if plan.cache_bytes != "auto":
        return min(int(plan.cache_bytes), _MOST_BYTES)
    if plan.folder is None:
        return available_bytes() // 4
    place = next(path for path in (plan.folder, *plan.folder.parents) if os.path.exists(path))
    return (shutil.disk_usage(place).free + cache_folder.caches_bytes(plan.folder)) // 2
