"""Writes the first corpus of the native fuzzer: made files, and records of them.

Run by tools/fuzz_native::

    python tests/support/fuzz_corpus.py FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fastload.errors import DecodeError
from support.damage import damaged_samples, small_file
from support.records import jpeg_record, tile_record
from support.samples import coding_samples, pillow_only_samples, sampling_samples

LARGEST_BYTES = 12_000


def main() -> None:
    """One file a sample, and one or two a record."""
    folder = Path(sys.argv[1])
    files = {"small": small_file()}
    for group in (coding_samples, sampling_samples, pillow_only_samples, damaged_samples):
        files |= {sample.name: sample.data for sample in group()}
    for name, data in files.items():
        if len(data) > LARGEST_BYTES:
            continue
        (folder / name).write_bytes(data)
        for kind, make in {"tiles": tile_record, "jpeg": jpeg_record}.items():
            try:
                (folder / f"{name}.{kind}").write_bytes(make(data))
            except DecodeError:
                continue


if __name__ == "__main__":
    main()
