"""Damaged and hostile stores: only a FastloadError, or what an undamaged store gives.

Run as a program, it tries a range of cases and prints JSON for each that breaks the rule::

    python -m support.hostile_stores KIND SEED FIRST COUNT FOLDER

Its caller notices crashes: a case is announced before it is tried.
"""

from __future__ import annotations

import json
import os
import random
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from fastload import _core
from fastload.errors import FastloadError
from fastload.store import Store, StoreWriter
from fastload.store.lmdb_walk import integer_extents
from support.labels import FILES, LABELLED, label_reads, labelled_samples
from support.stores import HEADER, Sample, add, make_samples, pack, split_block

KINDS = ("truncations", "flips", "page_flips", "metadata", "partials")
#: The same, of a store with labels.
LABEL_KINDS = ("label_page_flips", "label_metadata", "label_partials")
SAMPLES = 90
ADDRESS_SPACE_BYTES = 3 << 30
CASE_SECONDS = 10
#: Nothing of these may happen while a store is read.
FORBIDDEN_EVENTS = (
    "exec",
    "compile",
    "import",
    "os.system",
    "subprocess.Popen",
    "pickle.find_class",
)


@dataclass
class Truth:
    """An undamaged store, its bytes, and what it gives."""

    path: Path
    data: bytes
    reads: dict[str, Any]
    not_records: list[int]  # offsets of all pages but those that hold records alone


def reads_of(store: Store) -> dict[str, Callable[[], Any]]:
    """Everything that can be asked of a store, by name."""
    reads: dict[str, Callable[[], Any]] = {
        "header": lambda: {**vars_of(store.header)},
        "names": lambda: list(store.names),
        "problems": lambda: store.problems,
        "find": lambda: store.find(first_name()),
    }

    def first_name() -> str:
        return os.fsdecode(make_first_name())

    for name in store.column_names:
        reads[f"column {name}"] = lambda name=name: store.column(name).tobytes()
    annotations = store.annotations
    if annotations is not None:
        reads |= dict(label_reads(annotations))
        for number in range(len(annotations.header.files)):
            reads[f"file {number}"] = lambda number=number: store.read_file(number)
    for index in range(len(store)):
        reads[f"record {index}"] = lambda index=index: store.record_bytes(index)
        if index % 3 != 2:
            reads[f"source {index}"] = lambda index=index: store.read_source(index)
    return reads


def vars_of(header: Any) -> dict[str, Any]:
    return {name: getattr(header, name) for name in header.__dataclass_fields__}


def make_first_name() -> bytes:
    return bytes(make_samples(1)[0].metadata["name"])


def make_truth(folder: Path, *, labels: bool = False) -> Truth:
    path = folder / ("labels.lmdb" if labels else "truth.lmdb")
    if not path.exists() and labels:
        pack(path, labelled_samples(SAMPLES), group=30, header=LABELLED, files=FILES)
    elif not path.exists():
        pack(path, make_samples(SAMPLES), group=30)
    with Store(path) as store:
        reads = {name: read() for name, read in reads_of(store).items()}
        record_pages = set()
        blocks = integer_extents(store._catalog.file, store._catalog.records)
        for offset, length in zip(blocks.offsets.tolist(), blocks.lengths.tolist(), strict=True):
            assert offset % 4096 == 16
            record_pages.update(range(offset // 4096, (offset + length - 1) // 4096 + 1))
    data = path.read_bytes()
    pages = [page * 4096 for page in range(len(data) // 4096) if page not in record_pages]
    return Truth(path, data, reads, pages)


def truncations(truth: Truth, source: random.Random, path: Path) -> str:
    size = len(truth.data)
    edges = [0, 1, 15, 151, 4095, 4096, 8191, 8192, 12288, size - 4096, size - 4095, size - 1]
    cut = source.choice(edges) if source.random() < 0.2 else source.randrange(size)
    path.write_bytes(truth.data[:cut])
    return f"cut to {cut} bytes"


def flips(truth: Truth, source: random.Random, path: Path) -> str:
    position = source.randrange(len(truth.data))
    return flip(truth, source, path, position)


def page_flips(truth: Truth, source: random.Random, path: Path) -> str:
    """Aimed at meta pages, trees and columns; half at page headers and the first pointers."""
    page = source.choice(truth.not_records)
    if source.random() < 0.15:
        other = source.choice(truth.not_records)
        data = bytearray(truth.data)
        data[page : page + 4096] = truth.data[other : other + 4096]
        if source.random() < 0.5:
            data[page : page + 8] = struct.pack("<Q", page // 4096)
        path.write_bytes(data)
        return f"page {other // 4096} over page {page // 4096}"
    within = source.randrange(160) if source.random() < 0.5 else source.randrange(4096)
    return flip(truth, source, path, page + within)


def flip(truth: Truth, source: random.Random, path: Path, position: int) -> str:
    data = bytearray(truth.data)
    old = data[position]
    value = source.choice((old ^ 1 << source.randrange(8), source.randrange(256), 0, 255))
    data[position] = value
    path.write_bytes(data)
    return f"byte {position} (page {position // 4096} + {position % 4096}): {old} -> {value}"


COUNTS: tuple[Any, ...] = (
    0,
    1,
    SAMPLES - 1,
    SAMPLES + 1,
    -1,
    2**31,
    2**48 - 1,
    2**63,
    2**64,
    10**300,
)
STRANGE: tuple[Any, ...] = (*COUNTS, None, True, 1.5, "", "x" * 1000, [], {}, [[]], [1], {"a": []})


def metadata(truth: Truth, source: random.Random, path: Path) -> str:
    """Values that cannot be, under checksums that hold."""
    path.write_bytes(truth.data)
    what = source.choice(
        (header_value, header_text, header_text, column_prefix, column_data, drop, block, block)
    )
    environment = lmdb.open(
        str(path), subdir=False, lock=False, max_dbs=8, map_size=1 << 26, **classic_format()
    )
    try:
        with environment.begin(write=True) as transaction:

            def database(name: str) -> Any:
                return environment.open_db(name.encode(), transaction, create=False)

            return what(source, transaction, database)
    finally:
        environment.close()


def classic_format() -> dict[str, int]:
    return {"lib_version": 0} if int(lmdb.__version__.split(".")[0]) >= 3 else {}


def sealed(data: bytes) -> bytes:
    return struct.pack("<Q", _core.xxh3_64(data)) + data


def header_value(source: random.Random, transaction: Any, database: Any) -> str:
    meta = database("meta")
    values = json.loads(transaction.get(b"header", db=meta)[8:])
    name = source.choice(sorted(values))
    if "annotations" in values and source.random() < 0.7:
        values, whole = values["annotations"], values
        name = source.choice(sorted(values))
        if name == "files" and source.random() < 0.5:
            name, values = source.choice(("size", "stored_size")), values["files"][0]
    else:
        whole = values
    values[name] = source.choice((*STRANGE, [[1, 2]], [0, 2**31], [2, 3], ["keypoints", "crowd"]))
    transaction.put(b"header", sealed(json.dumps(whole).encode()), db=meta)
    return f"header {name} = {values[name]!r:.60}"


def header_text(source: random.Random, transaction: Any, database: Any) -> str:
    meta = database("meta")
    text = bytes(transaction.get(b"header", db=meta)[8:])
    choices = {
        "deep": b'{"a":' * 100_000,
        "deep list": b"[" * 100_000 + b"]" * 100_000,
        "twice": text[:-1] + b',"sample_count":90}',
        "nan": text.replace(b'"tile_width":32', b'"tile_width":NaN'),
        "infinite": text.replace(b'"tile_width":32', b'"tile_width":1e999'),
        "digits": text.replace(b'"tile_width":32', b'"tile_width":' + b"9" * 5000),
        "not utf-8": text.replace(b"photos", b"\xff\xfe\xfd"),
        "empty": b"",
        "pickle": b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        "python": b"__import__('os').system('true')",
        "missing": text.replace(b'"tile_width":32,', b""),
        "class names": text.replace(b'"class_names":[', b'"class_names":[' + b'"",' * 50),
        "fewer classes": text.replace(b'"cat",', b""),
    }
    name = source.choice(sorted(choices))
    transaction.put(b"header", sealed(choices[name]), db=meta)
    return f"header text: {name}"


def column_prefix(source: random.Random, transaction: Any, database: Any) -> str:
    columns = database("columns")
    name, blob = random_column(source, transaction, columns)
    place, form = source.choice(((4, "B"), (5, "B"), (6, "B"), (7, "B"), (8, "Q"), (16, "I"),
                                 (20, "I"), (24, "Q"), (32, "Q")))  # fmt: skip
    value = source.choice((0, 1, 2, 11, 12, 255, 2**31, 2**32 - 1, 2**63, 2**64 - 1))
    value %= 1 << 8 * struct.calcsize(form)
    struct.pack_into("<" + form, blob, place, value)
    if source.random() < 0.3:  # a size that fits its shape, and nothing else
        struct.pack_into("<BBBQIIQ", blob, 5, 7, 2, 0, 2**32, 2**16, 2**16, 0)
    struct.pack_into("<Q", blob, 40, _core.xxh3_64(name + bytes(blob[:40])))
    transaction.put(name, bytes(blob), db=columns)
    return f"column {name.decode()}: prefix + {place} = {value}"


def column_data(source: random.Random, transaction: Any, database: Any) -> str:
    columns = database("columns")
    name, blob = random_column(source, transaction, columns)
    (data_bytes,) = struct.unpack_from("<Q", blob, 24)
    data = np.frombuffer(blob, np.uint8)[48 : 48 + data_bytes]
    how = source.choice(("ones", "zeros", "random", "reversed", "one byte"))
    if how == "one byte":
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)
    elif how == "random":
        data[:] = np.frombuffer(source.randbytes(len(data)), np.uint8)
    else:
        data[:] = {"ones": 255, "zeros": 0, "reversed": data[::-1].copy()}[how]
    struct.pack_into("<Q", blob, 32, _core.xxh3_64(data))
    struct.pack_into("<Q", blob, 40, _core.xxh3_64(name + bytes(blob[:40])))
    transaction.put(name, bytes(blob), db=columns)
    return f"column {name.decode()}: {how}"


def random_column(source: random.Random, transaction: Any, columns: Any) -> tuple[bytes, bytearray]:
    names = [bytes(key) for key, _value in transaction.cursor(db=columns)]
    favoured = [b"file_offset", b"length", b"names.offsets", b"class_id", b"split"]
    if b"objects.box" in names:
        favoured += [name for name in names if name.endswith(b".offsets")]
        favoured += [b"objects.box", b"label_state", b"objects.class_id", b"files.bytes"]
    name = source.choice(favoured if source.random() < 0.5 else names)
    return name, bytearray(transaction.get(name, db=columns))


def drop(source: random.Random, transaction: Any, database: Any) -> str:
    name = source.choice(("records", "columns", "meta"))
    if source.random() < 0.3:
        transaction.drop(database(name), delete=True)
        return f"no database {name}"
    cursor = transaction.cursor(db=database(name))
    keys = [bytes(key) for key, _value in cursor]
    key = source.choice(keys)
    if source.random() < 0.5:
        transaction.delete(key, db=database(name))
        return f"{name}: {key!r} deleted"
    transaction.put(
        key, source.randbytes(source.choice((0, 1, 7, 8, 100, 10_000))), db=database(name)
    )
    return f"{name}: {key!r} replaced"


def block(source: random.Random, transaction: Any, database: Any) -> str:
    """A block of other size, place or records; most often without the lengths it should have."""
    records, columns = database("records"), database("columns")
    keys = [bytes(key) for key, _value in transaction.cursor(db=records)]
    key = source.choice(keys)
    parts = [bytearray(part) for part in split_block(transaction.get(key, db=records))]
    how = source.choice(("cut", "longer", "moved", "joined", "sizes", "swapped", "dropped"))
    if how == "moved":
        transaction.delete(key, db=records)
        (index,) = struct.unpack("=Q", key)
        key = struct.pack("=Q", (index + source.choice((-1, 1, 2, 1 << 40))) % (1 << 64))
    elif how == "joined" and key != keys[-1]:
        after = keys[keys.index(key) + 1]
        parts += split_block(transaction.get(after, db=records))
        transaction.delete(after, db=records)
    elif how == "sizes":
        part = source.choice(parts)
        place, form = source.choice(((24, "<I"), (32, "<Q")))
        limit = 1 << 8 * struct.calcsize(form)
        choices = (0, 1, len(part), 2**31, 2**63, 2**64 - 1, source.randrange(limit))
        struct.pack_into(form, part, place, source.choice(choices) % limit)
        struct.pack_into("<Q", part, 56, _core.xxh3_64(part[:56]))
    elif how == "swapped":
        source.shuffle(parts)
    elif how == "dropped":
        del parts[source.randrange(len(parts))]
    value = b"".join(parts)
    if how == "cut":
        value = value[: source.randrange(len(value))]
    elif how == "longer":
        value += source.randbytes(source.randrange(1, 300))
    transaction.put(key, value, db=records)
    if source.random() < 0.7:
        name = source.choice((b"length", b"file_offset"))
        blob = bytearray(transaction.get(name, db=columns))
        blob[48 + source.randrange(8 * SAMPLES)] ^= 1
        transaction.put(name, bytes(blob), db=columns)
    return f"block {key!r}: {how}"


def try_store(truth: Truth, path: Path, *, may_differ: bool) -> str | None:
    """What breaks the rule, or None."""
    try:
        store = Store(path)
    except FastloadError:
        return None
    with store:
        for name, read in reads_of(store).items():
            try:
                found = read()
            except FastloadError:
                continue
            protected = name.startswith(("record ", "source "))
            if (protected or not may_differ) and found != truth.reads.get(name, found):
                return f"{name}: other than in the undamaged store"
    return None


def _writer(truth: Truth, path: Path) -> StoreWriter:
    labelled = "labels" in truth.path.name
    return StoreWriter(path, LABELLED, files=FILES) if labelled else StoreWriter(path, HEADER)


def _samples(truth: Truth) -> list[Sample]:
    labelled = "labels" in truth.path.name
    return labelled_samples(SAMPLES) if labelled else make_samples(SAMPLES)


def partials(truth: Truth, source: random.Random, path: Path) -> str:
    """A half-packed store, damaged; see ``try_partial``."""
    partial = Path(f"{path}.partial")
    path.unlink(missing_ok=True)
    half_packed = truth.path.with_suffix(".half-packed")
    if not half_packed.exists():
        partial.unlink(missing_ok=True)
        with _writer(truth, path) as writer:
            add(writer, _samples(truth)[:60], group=6, problems=())
        partial.rename(half_packed)
    data = bytearray(half_packed.read_bytes())
    page = source.randrange(2) if source.random() < 0.1 else source.randrange(len(data) // 4096)
    within = source.randrange(160) if source.random() < 0.6 else source.randrange(4096)
    if source.random() < 0.2:
        cut = source.randrange(len(data))
        partial.write_bytes(data[:cut])
        return f"partial cut to {cut}"
    position = page * 4096 + within
    data[position] ^= 1 << source.randrange(8)
    partial.write_bytes(data)
    return f"partial, byte {position} (page {page} + {within})"


def try_partial(truth: Truth, path: Path) -> str | None:
    """Going on with a damaged partial file ends with an error, or a store that tells its damage."""
    try:
        with _writer(truth, path) as writer:
            add(writer, _samples(truth), group=30)
            writer.publish()
    except FastloadError:
        return None
    return try_store(truth, path, may_differ=True)


MAKERS: dict[str, Callable[[Truth, random.Random, Path], str]] = {
    "truncations": truncations,
    "flips": flips,
    "page_flips": page_flips,
    "metadata": metadata,
    "partials": partials,
}


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if watching and event in FORBIDDEN_EVENTS:
        violations.append(f"{event} {arguments!r:.100}")


watching = False
violations: list[str] = []


def run(kind: str, seed: int, first: int, count: int, folder: Path) -> None:
    """Try cases in this process; see the module's head."""
    global watching
    truth = make_truth(folder, labels=kind in LABEL_KINDS)
    kind = kind.removeprefix("label_")
    path = folder / f"{kind}-{os.getpid()}.lmdb"
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    # Whatever is imported or compiled at first use, by lmdb and NumPy too, is so now.
    try_store(truth, truth.path, may_differ=False)
    pack(path, make_samples(1), overwrite=True)
    sys.addaudithook(watch)
    for case in range(first, first + count):
        what = MAKERS[kind](truth, random.Random(f"{kind} {seed} {case}"), path)
        print(json.dumps({"case": case, "what": what}), flush=True)
        signal.alarm(CASE_SECONDS)
        violations.clear()
        watching = True
        try:
            if kind == "partials":
                failure = try_partial(truth, path)
            else:
                failure = try_store(truth, path, may_differ=kind == "metadata")
        except Exception as error:
            failure = f"{type(error).__name__}: {error}"
        watching = False
        signal.alarm(0)
        if violations:
            failure = f"{failure}; code ran: {violations[:3]}"
        if failure:
            print(json.dumps({"case": case, "what": what, "failure": failure}), flush=True)
    path.unlink(missing_ok=True)
    Path(f"{path}.partial").unlink(missing_ok=True)


def search(kind: str, seed: int, count: int, folder: Path, *, batch: int = 250) -> Iterator[str]:
    """Try ``count`` cases in processes of their own; yields each failure, crashes included."""
    make_truth(folder, labels=kind in LABEL_KINDS)
    support = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": support}
    for first in range(0, count, batch):
        command = [sys.executable, "-P"] if sys.version_info >= (3, 11) else [sys.executable]
        command += ["-m", "support.hostile_stores", kind, str(seed), str(first)]
        command += [str(min(batch, count - first)), str(folder)]
        result = subprocess.run(
            command, check=False, capture_output=True, text=True, env=environment
        )
        lines = [json.loads(line) for line in result.stdout.splitlines()]
        for line in lines:
            if "failure" in line:
                yield f"{kind} {seed} {line['case']}: {line['what']}: {line['failure']}"
        if result.returncode != 0:
            last = lines[-1] if lines else "before the first case"
            errors = result.stderr[-2000:]
            yield f"{kind} {seed}: ended with {result.returncode} at {last}: {errors}"
        elif len({line["case"] for line in lines}) != min(batch, count - first):
            yield f"{kind} {seed}: only {len(lines)} lines"


if __name__ == "__main__":
    run(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), Path(sys.argv[5]))
