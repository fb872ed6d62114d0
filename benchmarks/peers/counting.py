"""Pure Python work for a while: what a training thread does beside its loader.

As a program it counts in a process of its own: ``python counting.py SECONDS`` prints the rate.
"""

from __future__ import annotations

import sys
import time


def count(seconds: float) -> float:
    """Steps a second of a loop in Python."""
    steps = 0
    start = time.perf_counter()
    end = start + seconds
    while time.perf_counter() < end:
        steps += 1
    return steps / (time.perf_counter() - start)


if __name__ == "__main__":
    print(count(float(sys.argv[1])))
