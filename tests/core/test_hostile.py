"""Hostile files: no signal, at most five seconds each, and memory within the limit.

They run in a process of their own whose address space ends where that of the largest sound file
does.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fastload import jpeg
from fastload.errors import DecodeError, LimitError
from support import markers
from support.damage import damaged_samples, hostile_samples
from support.pictures import picture
from support.samples import Sample, by_name, save

MOST_SECONDS = 5.0
#: Above what the interpreter has taken when the file is read: libjpeg keeps all coefficients of a
#: progressive file, 6 bytes a pixel, and up to 178 megapixels are allowed.
MEMORY_BYTES = 1_200 << 20

# Reads files named on the command line and prints what came of each call, as JSON lines.
PROGRAM = """
import json, resource, sys, time
import numpy as np
from fastload import jpeg, pixels
from fastload.errors import DecodeError
from fastload.records import Codec, Record, encode_record

def taken_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()

memory_bytes = int(sys.argv[1])
for path in sys.argv[2:]:
    data = open(path, "rb").read()
    try:
        header = jpeg.parse_header(data)
        size = header.height, header.width
    except DecodeError:
        size = 16, 16
    record = encode_record(Record(Codec.JPEG, 0, False, 0, *size, len(data), b"", data))
    limit = taken_bytes() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    for name, call in {
        "parse_header": lambda: jpeg.parse_header(data),
        "check": lambda: jpeg.check(data),
        "tile": lambda: jpeg.tile(data),
        "decode": lambda: pixels.decode(record, (size[0] - 1, 0, 1, size[1])),
    }.items():
        start = time.process_time()
        try:
            call()
            outcome = "ok"
        except DecodeError as error:
            outcome = type(error).__name__
        except MemoryError:
            outcome = "MemoryError"
        print(json.dumps([path, name, outcome, time.process_time() - start]), flush=True)
"""


def outcomes(folder: Path, samples: list[Sample]) -> dict[tuple[str, str], tuple[str, float]]:
    """(sample, call) -> (outcome, seconds), from one process for all of them."""
    paths = {}
    for sample in samples:
        path = folder / sample.name
        path.write_bytes(sample.data)
        paths[str(path)] = sample.name
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(MEMORY_BYTES), *paths],
        capture_output=True, text=True, check=False, timeout=20 * len(samples),
    )  # fmt: skip
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0, (
        f"ended with {result.returncode} after {lines[-1:]}: {result.stderr}"
    )
    return {(paths[path], name): (outcome, seconds) for path, name, outcome, seconds in lines}


def test_hostile_files_cost_little_time_and_memory(tmp_path: Path) -> None:
    found = outcomes(tmp_path, list(hostile_samples()))
    assert len(found) == 4 * len(hostile_samples())
    slow = {key: seconds for key, (_, seconds) in found.items() if seconds > MOST_SECONDS}
    assert not slow
    hungry = [key for key, (outcome, _) in found.items() if outcome == "MemoryError"]
    assert not hungry


def test_damaged_files_cost_little_time_and_memory(tmp_path: Path) -> None:
    found = outcomes(tmp_path, list(damaged_samples()))
    assert len(found) == 4 * len(damaged_samples())
    assert max(seconds for _, seconds in found.values()) < MOST_SECONDS
    assert "MemoryError" not in {outcome for outcome, _ in found.values()}


def test_too_many_scans_are_a_limit_error() -> None:
    sample = by_name("80000-scans", hostile_samples)
    with pytest.raises(LimitError, match="scans"):
        jpeg.check(sample.data)


def test_the_scan_limit_is_the_callers() -> None:
    data = save(picture(16, 64), progressive=True)
    count = markers.scans(data)
    assert jpeg.check(data, max_scans=count) == 0
    with pytest.raises(LimitError):
        jpeg.check(data, max_scans=count - 1)


@pytest.mark.parametrize("name", ["80000-scans", "3000-scans-of-16-mpx", "480-scans-of-169-mpx"])
def test_a_record_with_too_many_scans_is_refused_in_time(name: str, tmp_path: Path) -> None:
    """The record's header lies about nothing; only the file in it is hostile."""
    found = outcomes(tmp_path, [by_name(name, hostile_samples)])
    outcome, seconds = found[name, "decode"]
    assert outcome in {"LimitError", "DecodeError", "UnsupportedPictureError"}
    assert seconds < MOST_SECONDS


def test_a_file_too_wide_for_libjpeg_is_a_decode_error() -> None:
    data = markers.edit_frame(save(picture(8, 8)), width=65_501, height=1)
    with pytest.raises(DecodeError):
        jpeg.check(data)
