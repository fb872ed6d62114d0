"""How much memory batches may take."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from pathlib import Path

__all__ = ["automatic_budget_bytes", "available_bytes", "check_budget"]

_MIB = 1 << 20
_LEAST_BYTES = 64 * _MIB
_MOST_BYTES = 2048 * _MIB


def automatic_budget_bytes() -> int:
    """An eighth of the memory that is free, between 64 MiB and 2 GiB."""
    return min(max(available_bytes() // 8, _LEAST_BYTES), _MOST_BYTES)


def available_bytes() -> int:
    """Memory that the kernel says is available, and that the cgroup leaves."""
    found = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found = int(line.split()[1]) * 1024
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        with suppress(OSError, ValueError):  # no such cgroup, or "max"
            found = min(found, max(0, int(Path(limit).read_text()) - int(Path(used).read_text())))
    return found


def check_budget(budget_bytes: int, batch_bytes: int) -> None:
    """Warn where a budget does not hold the batch in use and the next one."""
    if 2 * batch_bytes > budget_bytes:
        warnings.warn(
            f"memory_budget_bytes={budget_bytes} does not hold two batches of {batch_bytes} bytes: "
            "the next batch is begun only when it is asked for. Expected at least "
            f"{2 * batch_bytes}; raise the budget or make batches smaller",
            stacklevel=2,
        )
