"""Seeded damage to made JPEG files and to their records, tried in processes of their own.

Run as a program (one batch of cases)::

    python -m support.fuzz SEED FIRST COUNT SECONDS

Case ``i`` of a seed is the same on every machine, so a failure is reproduced by its number alone.
Every case has to end as a DecodeError or as the pixels that Pillow gives, within SECONDS, in a
bounded address space.  The program prints ``case N`` before each case to standard error (by an
unbuffered write, so that the last line names the one that killed it) and its counts at the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np

from fastload import jpeg, pixels
from fastload._core import xxh3_64
from fastload.errors import DecodeError, LimitError, UnsupportedPictureError
from support.damage import mutate, small_file
from support.records import jpeg_record, tile_record
from support.reference import RefusedError, pillow_jpeg_rgb
from support.samples import coding_samples, pillow_only_samples, sampling_samples
from support.windows import random_windows

MAX_PIXELS = 1_500_000  # a case: what a mutated header may ask for before the limit steps in
MAX_SCANS = 50
ADDRESS_SPACE_BYTES = 3 << 30  # Python, NumPy, Pillow and the case; torch is not imported


@cache
def seeds() -> tuple[bytes, ...]:
    """The sound files that are damaged."""
    files = [small_file()] * 3
    for group in (coding_samples, sampling_samples, pillow_only_samples):
        files += [sample.data for sample in group() if len(sample.data) < 9000]
    return tuple(files)


def run_case(seed: int, number: int) -> str:
    """Run one case; return which rule it came under.

    Raises:
        AssertionError: it broke the rule.
    """
    generator = np.random.Generator(np.random.PCG64([seed, number]))
    data = seeds()[int(generator.integers(0, len(seeds())))]
    if number % 3 == 2:
        return _damaged_record(data, generator)
    return _damaged_file(mutate(data, generator), generator)


def _damaged_file(data: bytes, generator: np.random.Generator) -> str:
    try:
        header = jpeg.parse_header(data, max_pixels=MAX_PIXELS)
        warnings = jpeg.check(data, max_pixels=MAX_PIXELS, max_scans=MAX_SCANS)
    except LimitError:
        return "limit"
    except UnsupportedPictureError:
        return "unsupported"
    except DecodeError:
        return "refused"
    try:
        expected = pillow_jpeg_rgb(data)
    except RefusedError as refusal:
        reason = str(refusal)
        expected = None
    if expected is None:
        assert "truncated" not in reason, f"Pillow: {reason}; check: {warnings} warnings"
        return "lenient"
    size = header.height, header.width
    assert expected.shape[:2] == size, f"Pillow: {expected.shape}, the header: {size}"
    record = jpeg_record(data, size)
    assert np.array_equal(pixels.decode(record), expected), "own bytes: other pixels than Pillow"
    for window in random_windows(*size, 2, seed=int(generator.integers(0, 1000))):
        with contextlib.suppress(DecodeError):
            pixels.decode(record, window)
    if warnings:
        return "damaged"
    try:
        record = tile_record(data)
    except DecodeError:
        return "own bytes"
    for top, left, tall, wide in [(0, 0, *size), *random_windows(*size, 3)]:
        found = pixels.decode(record, (top, left, tall, wide))
        part = expected[top : top + tall, left : left + wide]
        assert np.array_equal(found, part), f"tiles: other pixels in {(top, left, tall, wide)}"
    return "tiled"


def _damaged_record(data: bytes, generator: np.random.Generator) -> str:
    """A record damaged under checksums made to fit, as a hostile store would have it."""
    try:
        record = bytearray(tile_record(data))
    except DecodeError:
        record = bytearray(jpeg_record(data))
    head_size = struct.unpack_from("<I", record, 24)[0]
    for _ in range(int(generator.integers(1, 5))):
        place = generator.random()
        if place < 0.2:
            low, high = 5, 56
        elif place < 0.6 and head_size:
            low, high = 64, 64 + head_size
        else:
            low, high = 64 + head_size, len(record)
        at = int(generator.integers(low, high))
        if generator.random() < 0.5:
            record[at] ^= 1 << int(generator.integers(0, 8))
        else:
            record[at] = int(generator.choice([0, 1, 0x7F, 0x80, 0xFF, generator.integers(256)]))
    if generator.random() < 0.1:
        del record[int(generator.integers(64, len(record))) :]
    head_size = min(struct.unpack_from("<I", record, 24)[0], len(record) - 64)
    struct.pack_into("<Q", record, 40, xxh3_64(bytes(record[64 + head_size :])))
    hashed = bytes(record[:56]) + bytes(record[64 : 64 + head_size])
    struct.pack_into("<Q", record, 56, xxh3_64(hashed))
    return try_record(bytes(record), generator)


def try_record(record: bytes, generator: np.random.Generator) -> str:
    """Decode windows of a record that may be hostile; nothing but a DecodeError may come of it."""
    height, width = struct.unpack_from("<II", record, 16)
    if height * width > MAX_PIXELS or not height or not width:
        windows = [(0, 0, 8, 8)]
    else:
        windows = [(0, 0, height, width), *random_windows(height, width, 3)]
    outcome = "record decoded"
    for window in windows:
        try:
            assert pixels.decode(record, window).shape == (*window[2:], 3)
            pixels.decode_resized_crop(record, window, (16, 16))
        except DecodeError:
            outcome = "record refused"
        except ValueError:  # a window beyond a height or width that was damaged
            outcome = "record refused"
    return outcome


def run_batch(seed: int, first: int, count: int, most_seconds: float) -> Counter[str]:
    """Run cases in this process.

    Raises:
        AssertionError: one broke the rule; the message names it.
    """
    found: Counter[str] = Counter()
    seeds()  # made once, in no case's time
    if "ASAN_OPTIONS" in os.environ:
        most_seconds *= 4
    for number in range(first, first + count):
        os.write(2, f"case {number}\n".encode())
        start = time.monotonic()
        try:
            found[run_case(seed, number)] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, case {number}: {error!r}") from error
        seconds = time.monotonic() - start
        assert seconds <= most_seconds, f"seed {seed}, case {number}: took {seconds:.1f} s"
    return found


def run_in_processes(
    seed: int, count: int, *, batch: int = 2500, most_seconds: float = 5.0, first: int = 0
) -> Iterator[Counter[str]]:
    """Run cases in child processes, one batch after the other; yield each batch's counts.

    Raises:
        AssertionError: a case broke the rule, or killed its process.
    """
    paths = [str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    for start in range(first, first + count, batch):
        size = min(batch, first + count - start)
        command = [sys.executable, "-m", "support.fuzz"]
        command += [str(seed), str(start), str(size), str(most_seconds)]
        result = subprocess.run(
            command, capture_output=True, text=True, check=False, env=environment,
            timeout=60 + most_seconds * 2 + size / 20,
        )  # fmt: skip
        if result.returncode:
            raise AssertionError(
                f"seed {seed}: ended with {result.returncode}\n{result.stderr[-2000:]}"
            )
        yield Counter(json.loads(result.stdout))


def main() -> None:
    """One batch, from the command line."""
    if "ASAN_OPTIONS" not in os.environ:  # which maps terabytes, and bounds memory itself
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    seed, first, count = map(int, sys.argv[1:4])
    print(json.dumps(run_batch(seed, first, count, float(sys.argv[4]))))


if __name__ == "__main__":
    main()
