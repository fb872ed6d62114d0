"""``verify``: proves that a store holds what was packed into it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from fastload import _core
from fastload.convert.files import DEFAULT_MAX_FILE_BYTES, read_file
from fastload.convert.findings import Finding, RefusedError, Severity, Tally
from fastload.convert.ordered import available_cores, ordered
from fastload.convert.progress import Progress, Silent, Throttled
from fastload.convert.unlisted import unlisted
from fastload.errors import FastloadError
from fastload.picture import open_picture
from fastload.records import Codec, Record, decode_record, source_bytes
from fastload.store import Store

__all__ = ["VerifyReport", "verify"]

_COLUMNS = ("height", "width", "orientation", "codec", "source_size")


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What ``verify`` returns.

    Attributes:
        store: the store's path.
        source: the folder it was compared with, or None.
        photos: samples that were looked at.
        source_bytes: of the files they give back.
        tally: the differences, as problems, by kind.
        seconds: how long it took.
    """

    store: str
    source: str | None
    photos: int
    source_bytes: int
    tally: Tally
    seconds: float

    @property
    def differences_count(self) -> int:
        """0 where all is as it should be."""
        return self.tally.count(Severity.PROBLEM)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "store": self.store,
            "source": self.source,
            "photos": self.photos,
            "source_bytes": self.source_bytes,
            "differences_count": self.differences_count,
            "differences": self.tally.as_json(Severity.PROBLEM),
            "seconds": round(self.seconds, 3),
        }


def verify(
    store: str | os.PathLike[str],
    source: str | os.PathLike[str] | None = None,
    *,
    deep: bool = False,
    workers: int = 0,
    progress: Progress | None = None,
    on_finding: Callable[[Finding], None] | None = None,
) -> VerifyReport:
    """Check every sample of ``store``: checksums, columns, decoding, and the original file.

    The original file's bytes are made anew from the record and compared with the hash that was
    taken while packing; with ``source``, with the file there too.

    Args:
        store: the store's file.
        source: the folder it was packed from; photos in it that the store lacks are named.
        deep: also compare all pixels with what Pillow decodes from the original file's bytes.
        workers: threads; 0: as many as there are cores.
        progress: shown how far it is.
        on_finding: called with each difference.

    Raises:
        StoreFormatError: not a store, or its columns are damaged.
    """
    started = time.monotonic()
    tally = Tally()

    def note(finding: Finding) -> None:
        tally.add(finding)
        if on_finding is not None:
            on_finding(finding)

    root = None if source is None else os.path.abspath(os.fsdecode(source))
    with Store(store) as opened:
        checker = _Checker(opened, root, deep)
        count = workers or available_cores()
        shown = progress or Silent()
        shown.start("verifying", len(opened))
        throttled = Throttled(shown)
        sizes = opened.column("source_size")
        results = ordered(checker.check, range(len(opened)), workers=count, window=64 * count)
        for index, findings in results:
            for finding in findings:
                note(finding)
            throttled.advance(1, int(sizes[index]))
        throttled.flush()
        if root is not None:
            for finding in unlisted(opened, root):
                note(finding)
        return VerifyReport(
            str(opened.path), root, len(opened), int(sizes.sum()), tally, time.monotonic() - started
        )


class _Checker:
    """Checks single samples; its columns are loaded, and so verified, at once."""

    def __init__(self, store: Store, root: str | None, deep: bool) -> None:
        self._store = store
        self._root = root
        self._deep = deep
        for name in store.column_names:
            store.column(name)
        self._columns = {name: store.column(name) for name in _COLUMNS}
        self._hashes = store.column("content_hash")

    def check(self, _ticket: int, index: int) -> list[Finding]:
        """All differences of one sample. Runs in a worker thread."""
        name = self._store.names[index]
        return [
            Finding(name, Severity.PROBLEM, kind, detail)
            for kind, detail in self._differences(index, name)
        ]

    def _differences(self, index: int, name: str) -> Iterator[tuple[str, str]]:
        try:
            data = self._store.record_bytes(index, verify=True)
            record = decode_record(data, verify_body=False)
        except FastloadError as error:
            yield "record", str(error)
            return
        yield from self._column_differences(index, record)
        pixels = None
        try:
            pixels = open_picture(record, data)
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever the bytes lead it to
            yield "decode", f"sample {index} cannot be decoded: {error}"
        if record.codec is Codec.RAW:
            return
        try:
            original = source_bytes(record)
        except FastloadError as error:
            yield "restore", f"sample {index}: the original file cannot be made: {error}"
            return
        if _core.xxh3_128(original) != self._hashes[index].tobytes():
            yield "restore", f"sample {index}: not the bytes of the file that was packed"
        if self._deep and pixels is not None and not _same_pixels(pixels, original):
            yield "pixels", f"sample {index}: not the pixels that Pillow decodes from the file"
        if self._root is not None:
            yield from self._source_differences(name, original)

    def _column_differences(self, index: int, record: Record) -> Iterator[tuple[str, str]]:
        for column, values in self._columns.items():
            expected, found = int(getattr(record, column)), int(values[index])
            if expected != found:
                yield (
                    "column",
                    f"sample {index}: {column} is {expected} in the record, {found} in the column",
                )

    def _source_differences(self, name: str, original: bytes) -> Iterator[tuple[str, str]]:
        try:
            file = read_file(os.path.join(self._root or "", name), DEFAULT_MAX_FILE_BYTES)
        except RefusedError as refused:
            yield "source-missing", f"the file in the source: {refused.detail}"
            return
        if file.data != original:
            yield (
                "source-differs",
                f"{len(file.data):,} bytes, not the {len(original):,} that were packed",
            )


def _same_pixels(pixels: Image.Image, original: bytes) -> bool:
    with Image.open(BytesIO(original)) as image:
        return np.array_equal(np.asarray(pixels), np.asarray(image.convert("RGB")))
