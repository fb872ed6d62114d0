"""CPU time and memory of this process and its children, from Linux's /proc."""

from __future__ import annotations

import os
import threading
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def tree() -> list[int]:
    """Ids of this process and all its descendants."""
    parents: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = _stat(int(entry))
            if fields:
                parents[int(entry)] = int(fields[1])
    found = [os.getpid()]
    for pid in found:  # grows while it is read
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def cpu_seconds() -> float:
    """User and system time so far; to a hundredth of a second each process."""
    ticks = 0
    for pid in tree():
        fields = _stat(pid)
        if fields:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def python_threads_cpu_seconds() -> float:
    """CPU time of this process's threads that run Python: those that Python's threading knows.

    Such a thread can hold the GIL only while it runs (or waits for a page of memory), so this is
    an upper bound of the time that the GIL was held.
    """
    nanoseconds = 0
    for thread in threading.enumerate():
        path = Path(f"/proc/self/task/{thread.native_id}/schedstat")
        try:
            nanoseconds += int(path.read_text().split()[0])
        except OSError:  # it ended
            continue
    return nanoseconds / 1e9


def memory() -> dict[str, int]:
    """Bytes of memory of the whole tree; file pages that the kernel may drop are left out.

    Returns:
        rss_anonymous: RssAnon, summed; pages that a fork shares count once a process.
        pss_anonymous: the same, with each shared page counted once.
        pss_shared: shared memory (torch's workers hand batches over in it), counted once.
    """
    total = {"rss_anonymous": 0, "pss_anonymous": 0, "pss_shared": 0}
    keys = {"Pss_Anon:": "pss_anonymous", "Pss_Shmem:": "pss_shared", "RssAnon:": "rss_anonymous"}
    for pid in tree():
        for name in ("status", "smaps_rollup"):
            try:
                lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
            except OSError:
                continue
            for line in lines:
                key = keys.get(line.partition("\t")[0].split(" ")[0])
                if key:
                    total[key] += int(line.split()[1]) * 1024
    return total


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat behind the name; empty where the process ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
