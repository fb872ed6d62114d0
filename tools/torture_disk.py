"""Packs on disks that lose power, and on disks whose Nth call fails, for every N.

Passes when, after each loss of power: nothing or the old store or the whole new one stands under
the store's name, every photo that a commit acknowledged is there when packing goes on, and the end
equals an uninterrupted run, by the hash over records and columns. And when, for each call that
fails (no space, broken disk, once and for good, or a write cut short): packing ends with a clear
error that names the store, or is unharmed; the old store is whole; and the same command ends well.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.packing_disks import Setting, fail_calls, lose_power
from support.packing_faults import PROGRAMMES


def main() -> int:
    """Run the programme; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=1000, help="losses of power (default: 1000)")
    parser.add_argument("--step", type=int, default=1, help="fail every Nth call (default: each)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fastload-torture-") as folder:
        setting = Setting(Path(folder))
        for programme in PROGRAMMES:
            try:
                lost = lose_power(
                    setting, programme, max(1, options.states // len(PROGRAMMES)), options.seed
                )
                print(f"{programme}, power lost: {lost}", flush=True)
                print(f"{programme}, calls failed: {fail_calls(setting, programme, options.step)}",
                      flush=True)  # fmt: skip
            except AssertionError as error:
                print(f"FAILED: {error}")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
