"""Small stores for tests: every kind of record and value, the same bytes at each call."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lmdb

from fastload.records import Codec, Record, stated_length
from fastload.store import Problem, Store, StoreWriter, WriterHeader

HEADER = WriterHeader(
    class_names=("cat", "dog", "naïve \udcff"),
    split_names=("train", "val"),
    source="/photos",
    created_by="fastload tests",
    options={"resize": 256, "tile": "never"},
)
PROBLEMS = (
    Problem("cat/empty.jpg", "expected a photo, found an empty file", "empty"),
    Problem("dog/\udcfe.jpg", "premature end", "corrupt"),
)


def compact(path: Path, copy: Path) -> None:
    """A compacting copy by liblmdb itself, which moves pages."""
    environment = lmdb.open(str(path), subdir=False, lock=False, readonly=True, max_dbs=4)
    environment.copy(str(copy), compact=True)
    environment.close()


@dataclass(frozen=True)
class Sample:
    """What is appended for one sample."""

    record: Record
    metadata: dict[str, Any] = field(default_factory=dict)


def make_samples(count: int, *, seed: int = 1, large: int = 20_000) -> list[Sample]:
    """``count`` samples, most of them small, every seventh of up to ``large`` bytes."""
    source = random.Random(seed)
    samples = []
    for index in range(count):
        size = source.randrange(1, large) if index % 7 == 0 else source.randrange(1, 300)
        codec = (Codec.OTHER, Codec.JPEG, Codec.RAW)[index % 3]
        height, width = source.randrange(1, 500), source.randrange(1, 500)
        body = source.randbytes(size)
        if codec is Codec.RAW:
            height, width = 1, 1 + size // 3
            body = source.randbytes(3 * width)
        record = Record(
            codec=codec,
            orientation=index % 9,
            gray=index % 5 == 0,
            index=0,
            height=height,
            width=width,
            source_size=0 if codec is Codec.RAW else size,
            head=b"",
            body=body,
        )
        # Names of any length, with bytes that are no UTF-8.
        name = f"{('cat', 'dog')[index % 2]}/{'é' * (index % 11)}{index:05d}".encode()
        metadata = {
            "name": name + (b"\xff.jpg" if index % 4 == 0 else b".jpg"),
            "class_id": index % 4 - 1,
            "split": (0, 1, 255)[index % 3],
            "format": ("JPEG", "PNG", "BMP")[index % 3],
            "source_mtime_ns": -(10**9) if index % 10 == 0 else 1_700_000_000_123_456_789 + index,
            "source_mode": 0o100644,
            "content_hash": source.randbytes(16),
            "warnings": index % 3,
        }
        samples.append(Sample(record, metadata))
    return samples


def pack(
    path: Path,
    samples: list[Sample],
    *,
    header: WriterHeader = HEADER,
    group: int = 25,
    problems: tuple[Problem, ...] = PROBLEMS,
    **options: Any,
) -> None:
    """Pack ``samples`` in groups, or go on where an earlier packing stopped, and publish."""
    with StoreWriter(path, header, **options) as writer:
        add(writer, samples, group=group, problems=problems)
        writer.publish()


def add(
    writer: StoreWriter,
    samples: list[Sample],
    *,
    group: int = 25,
    problems: tuple[Problem, ...] = PROBLEMS,
) -> None:
    """Append and commit what ``writer`` does not have yet; problems stand behind the samples."""
    if writer.publishing:
        return
    for position in range(writer.committed_position, len(samples)):
        sample = samples[position]
        writer.append(sample.record, **sample.metadata)
        if position % group == group - 1:
            writer.commit(position + 1)
    for position in range(max(writer.committed_position - len(samples), 0), len(problems)):
        writer.report(problems[position])
    writer.commit(len(samples) + len(problems))


def split_block(block: bytes) -> list[bytes]:
    """The records of a block, by the sizes that their headers state."""
    records = []
    while block:
        length = stated_length(block)
        assert length <= len(block)
        records.append(block[:length])
        block = block[length:]
    return records


def content(store: Store) -> dict[str, Any]:
    """All that a store says, but its random id and where in the file it stands."""
    header = {
        name: getattr(store.header, name)
        for name in store.header.__dataclass_fields__
        if name != "store_id"
    }
    columns = {
        name: store.column(name).tobytes()
        for name in store.column_names
        if name not in ("file_offset",)
    }
    records = [store.record_bytes(index, verify=True) for index in range(len(store))]
    return {
        "header": header,
        "columns": columns,
        "names": list(store.names),
        "records": records,
        "problems": store.problems,
    }
