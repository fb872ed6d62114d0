"""One side in a process of its own: ``python -m _support.second_step_process JOB.json``.

It gets ready, writes a line of JSON, then answers each line of its input: {"do": "epoch"} runs an
epoch, {"do": "finish"} waits for what is still being written, and verifies it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and torch
os.environ["MPLBACKEND"] = "Agg"


def serve() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print

    import gc

    import torch
    from peers import process

    from _support.second_step_sides import Fastload, Job, Side

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")

    torch.set_num_threads(1)
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    side = Side(job) if job.side == "stock" else Fastload(job)
    gc.collect()  # what imports left behind belongs to no epoch
    answer({"memory": process.memory()})
    for line in sys.stdin:
        if json.loads(line)["do"] == "finish":
            answer(side.finish())
        else:
            answer(side.epoch() | {"memory": process.memory()})


if __name__ == "__main__":
    serve()
