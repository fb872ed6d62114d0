"""Packers killed at any moment: what they acknowledged is there, and the end is the same."""

from __future__ import annotations

import os
import random
import select
import signal
import time
import traceback
from pathlib import Path
from typing import Any

from fastload.store import Store, StoreWriter, partial_path
from support.stores import HEADER, PROBLEMS, Sample, content, make_samples

GROUP = 4


def pack_and_acknowledge(path: Path, samples: list[Sample], acknowledged: int) -> None:
    """Pack in small groups; after each commit, its position goes to a descriptor."""
    with StoreWriter(path, HEADER) as writer:
        position = writer.committed_position
        while not writer.publishing and position < len(samples) + len(PROBLEMS):
            for _ in range(GROUP):
                if position < len(samples):
                    sample = samples[position]
                    writer.append(sample.record, **sample.metadata)
                elif position < len(samples) + len(PROBLEMS):
                    writer.report(PROBLEMS[position - len(samples)])
                else:
                    break
                position += 1
            writer.commit(position)
            os.write(acknowledged, f"{position}\n".encode())
        writer.publish()
        os.write(acknowledged, b"published\n")


def run_and_kill(path: Path, samples: list[Sample], seconds: float) -> list[str]:
    """Fork a packer, kill it after a while; what it acknowledged, line by line.

    Raises:
        RuntimeError: it ended by itself with an error.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            pack_and_acknowledge(path, samples, write_end)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(write_end)
    # The pipe ends when the packer does.
    data = b""
    deadline = time.monotonic() + seconds
    while select.select([read_end], [], [], max(0.0, deadline - time.monotonic()))[0]:
        part = os.read(read_end, 65536)
        data += part
        if not part:
            break
    os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    while part := os.read(read_end, 65536):
        data += part
    os.close(read_end)
    acknowledged = data.decode("ascii").splitlines()
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a packer ended with {code}; see its traceback above")
    return acknowledged


def kill_often(folder: Path, kills: int, seed: int, *, samples: int = 120) -> dict[str, int]:
    """Kill packers ``kills`` times; AssertionError where something was lost.

    Returns:
        how many kills fell where.
    """
    source = random.Random(seed)
    made = make_samples(samples)
    path = folder / "killed.lmdb"
    started = time.monotonic()
    run_and_kill(path, made, 60)
    whole_seconds = time.monotonic() - started
    expected = _content(path)
    path.unlink()
    counts = {"packing": 0, "publishing": 0, "published": 0}
    last = 0
    # Short lives, so that packings take several, and some kills come while columns are joined.
    while sum(counts.values()) < kills:
        lines = run_and_kill(path, made, source.uniform(0, whole_seconds / 2))
        if path.exists():
            assert not partial_path(path).exists()
            assert _content(path) == expected
            path.unlink()
            counts["published"] += 1
            last = 0
            continue
        assert "published" not in lines
        acknowledged = max([last, *map(int, lines)])
        if partial_path(path).exists():
            with StoreWriter(path, HEADER) as writer:
                assert writer.committed_position >= acknowledged, (acknowledged, lines)
                counts["publishing" if writer.publishing else "packing"] += 1
                assert len(writer.committed_names()) == writer.committed_count
                last = writer.committed_position
        else:
            assert acknowledged == 0
            counts["packing"] += 1
    run_and_kill(path, made, 60)
    assert _content(path) == expected
    return counts


def _content(path: Path) -> dict[str, Any]:
    with Store(path) as store:
        return content(store)
