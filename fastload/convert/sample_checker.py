"""Checking one sample of a store in every way there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from io import BytesIO

import numpy as np
from PIL import Image

from fastload import _core
from fastload.convert.files import FileBytes, read_original
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.names import unsafe_reason
from fastload.convert.originals import original_name
from fastload.errors import FastloadError
from fastload.picture import open_picture
from fastload.records import Codec, Record, decode_record, source_bytes
from fastload.store import Store

__all__ = ["SampleChecker"]

_COLUMNS = ("height", "width", "orientation", "codec", "source_size")


class SampleChecker:
    """Checks single samples. Safe to use from many threads.

    Args:
        store: the store; its columns are loaded, and so verified, at once.
        root: the source folder to compare with, or None.
        deep: also compare all pixels with Pillow's.
        original: reads what the source has under a name; None: the file below ``root``.
        is_known: whether the record of a photo with this content hash is a copy of one that was
            checked before: it is not decoded again.
    """

    def __init__(
        self,
        store: Store,
        root: str | None,
        deep: bool,
        original: Callable[[str], FileBytes] | None = None,
        is_known: Callable[[bytes], bool] | None = None,
    ) -> None:
        self._store = store
        self._root = root
        self._deep = deep
        self._is_known = is_known or (lambda _: False)
        for name in store.column_names:
            store.column(name)
        self._columns = {name: store.column(name) for name in _COLUMNS}
        self._hashes = store.column("content_hash")
        self._packed_sizes, self._packed_hashes = (
            store.column(original_name(name, store.column_names))
            for name in ("source_size", "content_hash")
        )
        follow_links = bool(store.header.options.get("follow_links"))
        self._original = original or partial(read_original, root or "", follow_links=follow_links)

    def check(self, _ticket: int, index: int) -> tuple[list[Finding], bytes]:
        """All differences of one sample, and the XXH3-128 of its record."""
        name = self._store.names[index]
        try:
            data = self._store.record_bytes(index, verify=True)
            record = decode_record(data, verify_body=False)
        except FastloadError as error:
            return [Finding(name, Severity.PROBLEM, "record", str(error))], b""
        findings = [
            Finding(name, Severity.PROBLEM, kind, detail)
            for kind, detail in self._differences(index, name, data, record)
        ]
        findings += self._label_differences(index)
        return findings, _core.xxh3_128(data)

    def _label_differences(self, index: int) -> Iterator[Finding]:
        try:
            files = self._store.label_files(index)
        except FastloadError as error:
            yield Finding(self._store.names[index], Severity.PROBLEM, "record", str(error))
            return
        for file in files if self._root is not None else ():
            for kind, detail in self._file_differences(file.name, file.text):
                yield Finding(file.name, Severity.PROBLEM, kind, detail)

    def _differences(
        self, index: int, name: str, data: bytes, record: Record
    ) -> Iterator[tuple[str, str]]:
        yield from self._column_differences(index, record)
        if not self._is_known(self._packed_hashes[index].tobytes()):
            yield from self._picture_differences(index, data, record)
        if self._root is not None:
            size, packed = int(self._packed_sizes[index]), self._packed_hashes[index].tobytes()
            yield from self._source_differences(name, size, packed)

    def _picture_differences(
        self, index: int, data: bytes, record: Record
    ) -> Iterator[tuple[str, str]]:
        pixels = None
        try:
            pixels = open_picture(record, data)
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises whatever the bytes lead it to
            yield "decode", f"sample {index} cannot be decoded: {error}"
        if pixels is not None and pixels.size != (record.width, record.height):
            found = f"width, height {pixels.size}, not {(record.width, record.height)}"
            yield "size", f"sample {index} decodes to {found}"
        if record.codec is not Codec.RAW:
            yield from self._restore_differences(index, record, pixels)

    def _restore_differences(
        self, index: int, record: Record, pixels: Image.Image | None
    ) -> Iterator[tuple[str, str]]:
        try:
            original = source_bytes(record)
        except FastloadError as error:
            yield "restore", f"sample {index}: the original file cannot be made: {error}"
            return
        if _core.xxh3_128(original) != self._hashes[index].tobytes():
            yield "restore", f"sample {index}: not the bytes of the file that was packed"
        if self._deep and pixels is not None and not _same_pixels(pixels, original):
            yield "pixels", f"sample {index}: not the pixels that Pillow decodes from the file"

    def attached(self) -> Iterator[Finding]:
        """What is wrong with the attached files."""
        annotations = self._store.header.annotations
        for number, file in enumerate(() if annotations is None else annotations.files):
            try:
                data = self._store.read_file(number)
            except FastloadError as error:
                yield Finding(file.name, Severity.PROBLEM, "restore", str(error))
                continue
            # A yaml may lie outside the folder that it describes.
            path = os.path.join(self._root or "", file.name)
            if self._root is not None and ("/" in file.name or os.path.lexists(path)):
                for kind, detail in self._file_differences(file.name, data):
                    yield Finding(file.name, Severity.PROBLEM, kind, detail)

    def _column_differences(self, index: int, record: Record) -> Iterator[tuple[str, str]]:
        for column, values in self._columns.items():
            expected, found = int(getattr(record, column)), int(values[index])
            if expected != found:
                yield (
                    "column",
                    f"sample {index}: {column} is {expected} in the record, {found} in the column",
                )

    def _file_differences(self, name: str, packed: bytes) -> Iterator[tuple[str, str]]:
        return self._source_differences(name, len(packed), _core.xxh3_128(packed))

    def _source_differences(
        self, name: str, size_bytes: int, content_hash: bytes
    ) -> Iterator[tuple[str, str]]:
        reason = unsafe_reason(name)
        if reason is not None:
            yield "unsafe-name", reason
            return
        try:
            file = self._original(name)
        except RefusedError as refused:
            yield "source-missing", f"the file in the source: {refused.detail}"
            return
        if len(file.data) != size_bytes or _core.xxh3_128(file.data) != content_hash:
            yield (
                "source-differs",
                f"{len(file.data):,} bytes, not the {size_bytes:,} that were packed",
            )


def _same_pixels(pixels: Image.Image, original: bytes) -> bool:
    with Image.open(BytesIO(original)) as image:
        return np.array_equal(np.asarray(pixels), np.asarray(image.convert("RGB")))
