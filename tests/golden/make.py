"""Made the golden files beside it; run by hand for a new format version, and never by tests.

    PYTHONPATH=tests python tests/golden/make.py 2

``v1.lmdb`` holds a record of each codec, ``v1.lmdb.partial`` the same store after its first commit,
``v1.json`` what both must give for as long as format version 1 is read. ``v2`` are the same with
labels.
"""

from __future__ import annotations

import io
import json
import os
import random
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from fastload import jpeg, pixels
from fastload._core import xxh3_128
from fastload.records import Codec, Record, decode_record
from fastload.store import Problem, SampleLabels, Store, StoreWriter, WriterHeader, partial_path
from support.encoder import Options, encode
from support.labels import ANNOTATIONS, FILES, make_labels, plain
from support.pictures import picture
from support.records import jpeg_record, tile_record
from support.samples import SAMPLINGS, save, with_orientation

FOLDER = Path(__file__).parent
HEADER = WriterHeader(
    class_names=("cat", "dog"),
    split_names=("train", "val"),
    source="/photos",
    created_by="fastload golden",
    options={"tile": "auto", "resize": None},
)
PROBLEMS = (Problem("dog/empty.jpg", "expected a photo, found an empty file", "empty"),)
COMMITTED = 3


def make_records() -> dict[bytes, tuple[Record, str, bytes]]:
    """Name -> (record, format, original file); a record of each codec, and some oddities."""
    found: dict[bytes, tuple[Record, str, bytes]] = {}

    def add(name: str, record: bytes, form: str, source: bytes) -> None:
        found[name.encode("utf-8", "surrogateescape")] = decode_record(record), form, source

    for index, sampling in enumerate(("420", "444", "422")):
        image = picture(40 + 9 * index, 90 + 7 * index, noise=12)
        data = encode(image, Options(sampling=SAMPLINGS[sampling]))
        add(f"cat/{sampling}.jpg", tile_record(data, index=index), "JPEG", data)
    data = with_orientation(save(picture(33, 70), quality=85, mode="L"), 6)
    add("cat/gray turned.jpg", tile_record(data, index=3), "JPEG", data)
    data = save(picture(31, 45), quality=80, progressive=True)
    add("dog/progressif é.jpg", jpeg_record(data, index=4), "JPEG", data)
    image = picture(5, 7)
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    data = buffer.getvalue()
    raw = Record(
        Codec.RAW, orientation=0, gray=False, index=6, height=5, width=7, source_size=0,
        head=b"", body=image.tobytes(),
    )  # fmt: skip
    other = replace(raw, codec=Codec.OTHER, index=5, source_size=len(data), body=data)
    found[b"dog/\xff.png"] = other, "PNG", data
    found[b"dog/raw.png"] = raw, "PNG", b""
    return found


def append(
    writer: StoreWriter,
    name: bytes,
    record: Record,
    form: str,
    source: bytes,
    labels: SampleLabels | None = None,
) -> None:
    """Add one of ``make_records`` with metadata that follow from its name."""
    index = writer.count
    writer.append(
        record,
        name=name,
        class_id=(-1, 0, 1)[index % 3],
        split=(0, 1, 255)[index % 3],
        format=form,
        source_mtime_ns=1_700_000_000_000_000_000 + index,
        source_mode=0o100640,
        content_hash=xxh3_128(source),
        warnings=index,
        labels=labels,
    )


def describe(path: Path) -> dict[str, object]:
    """What the store gives, as JSON can hold it."""
    with Store(path) as store:
        header = json.loads(store.header.to_json())
        columns = {name: store.column(name).tolist() for name in store.column_names}
        records, sources, images = [], [], []
        for index in range(len(store)):
            data = store.record_bytes(index)
            records.append(xxh3_128(data).hex())
            codec = store.record(index).codec
            sources.append(None if codec is Codec.RAW else xxh3_128(store.read_source(index)).hex())
            is_native = codec is not Codec.OTHER
            image = np.ascontiguousarray(pixels.decode(data)) if is_native else None
            images.append(None if image is None else xxh3_128(image).hex())
        return {
            "header": header,
            "columns": columns,
            "names": [name.encode("utf-8", "surrogateescape").hex() for name in store.names],
            "problems": [[p.path, p.reason, p.kind] for p in store.problems],
            "records_xxh3_128": records,
            "sources_xxh3_128": sources,
            "pixels_xxh3_128": images,
        } | describe_labels(store)


def describe_labels(store: Store) -> dict[str, object]:
    """The labels and attached files, where the store has any."""
    annotations = store.annotations
    if annotations is None:
        return {}
    files = [annotations.label_file(index) for index in range(len(store))]
    return {
        "labels": [as_json(plain(annotations[index])) for index in range(len(store))],
        "label_files": [
            None
            if file is None
            else [os.fsencode(file.name).hex(), file.text.hex(), file.mtime_ns, file.mode]
            for file in files
        ],
        "files": [store.read_file(number).hex() for number in range(len(annotations.header.files))],
    }


def as_json(value: object) -> object:
    """As JSON gives it back: lists for tuples."""
    return json.loads(json.dumps(value))


def main() -> None:
    """Write the golden files of the current format version."""
    version = int(sys.argv[1])
    path = FOLDER / f"v{version}.lmdb"
    for old in (path, partial_path(path)):
        old.unlink(missing_ok=True)
    records = list(make_records().items())
    for name, (record, _form, source) in records:
        if record.codec is Codec.TILES and jpeg.restore(jpeg.tile(source)) != source:
            raise SystemExit(f"{name!r}: does not restore")
    header, files, random_source = HEADER, b"", random.Random(version)
    if version == 2:
        header, files = replace(HEADER, annotations=ANNOTATIONS), FILES
    with StoreWriter(path, header, files=files) as writer:
        for position, (name, (record, form, source)) in enumerate(records, start=1):
            labels = make_labels(position, random_source) if version == 2 else None
            append(writer, name, record, form, source, labels)
            if position == COMMITTED:
                writer.commit(position)
                half_packed = partial_path(path).read_bytes()
        writer.report(PROBLEMS[0])
        writer.commit(len(records) + len(PROBLEMS))
        writer.publish()
    partial_path(path).write_bytes(half_packed)
    expected = json.dumps(describe(path), indent=1, sort_keys=True)
    path.with_suffix(".json").write_text(expected + "\n")


if __name__ == "__main__":
    main()
