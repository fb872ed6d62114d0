"""Kills runs that save checkpoints again and again, at random moments, and looks at what is left.

Passes when, after each SIGKILL: the newest checkpoint that can be loaded is whole and equals what
was saved; it is no older than what a handle had reported to be on the disk; `last` and `best` are
whole, too; and nothing temporary is left after the next start. The kills are shared among a
writing thread, linked names, safetensors and a writing process. torch.save and DCP save, both
over the checkpoint before, get kills of their own: after how many is nothing whole left?
"""

from __future__ import annotations

import argparse
import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from support.kill_saving import PEERS, count_damage, kill_often

#: What the checkpointer is asked for, and its share of the kills.
WAYS: dict[str, tuple[float, dict[str, Any]]] = {
    "thread": (0.4, {}),
    "linked names": (0.2, {"aliases": "link"}),
    "safetensors": (0.2, {"format": "safetensors"}),
    "process": (0.2, {"writer": "process"}),
}


def main() -> int:
    """Run the programme; the exit code is 0 where it passes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="of fastload (default: 200)")
    parser.add_argument("--peer-kills", type=int, default=40, help="of each other (default: 40)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="default: the time")
    parser.add_argument("--folder", type=Path, help="where to save (default: temporary)")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")  # torch's, about fork and about DCP without processes
    logging.disable()  # DCP's account of what it cannot load
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="fastload-torture-", dir=options.folder) as folder:
        for name, (share, asked) in WAYS.items():
            started = time.monotonic()
            kills = max(1, round(options.kills * share))
            try:
                counts = kill_often(Path(folder) / name, kills, options.seed, asked)
            except AssertionError as error:
                print(f"FAILED: {name}: {error}")
                return 1
            print(
                f"fastload, {name}: {kills} kills, {counts['leftovers']} in the middle of a write, "
                f"{counts['acknowledged']} durable saves, 0 lost, 0 damaged "
                f"({time.monotonic() - started:.0f} s)",
                flush=True,
            )
        for name in PEERS if options.peer_kills else ():
            damaged = count_damage(name, Path(folder) / name, options.peer_kills, options.seed)
            print(f"{name}: {options.peer_kills} kills, {damaged} left nothing whole", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
