"""Where pictures come from: a store's records, or files; for the core, and for Pillow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fastload import _core
from fastload.errors import DecodeError, RecordError
from fastload.picture import Info, open_picture, picture_info
from fastload.records import Codec, decode_record
from fastload.store import Store

__all__ = ["FilePictures", "Pictures", "StorePictures", "store_source"]

#: Records that are read when a store's offsets are taken: a compacted copy has moved them all.
_PROBES = 3


class Pictures(Protocol):
    """Numbered pictures.

    Attributes:
        source: the core's source; its threads read from there.
        needs_pillow: some pictures may need Pillow's lane.
        common_size: height and width, where all pictures are known to have the same.
        identity: the same text for the same pictures in the same order, in any process. A picture's
            own content need not count where the source's fingerprint tells it.
    """

    source: Any
    needs_pillow: bool
    common_size: tuple[int, int] | None

    @property
    def identity(self) -> str: ...

    def bring(self, indices: NDArray[np.int64]) -> None:
        """Have the pictures at hand, int64 [n], that a batch is about to be made of."""
        ...

    def name(self, index: int) -> str:
        """The file that a picture is, or was."""
        ...

    def image(self, index: int) -> Image.Image:
        """A whole picture of mode RGB, by Pillow where the core leaves it."""
        ...

    def open(self, index: int) -> NDArray[np.uint8]:
        """Its pixels: uint8 [height, width, 3]."""
        ...

    def read(self, index: int) -> bytes:
        """The bytes that `render` takes."""
        ...

    def render(
        self, recipe: _core.Recipe, data: bytes, seed: int, position: int, out: NDArray[Any]
    ) -> None:
        """A sample of a picture's bytes, into the slot ``out``.

        Raises:
            DecodeError: they are damaged, or Pillow has to look at them.
        """
        ...

    def head(self, data: bytes) -> tuple[tuple[int, int], Info]:
        """Height and width, and the ``info`` that a PIL image of these bytes has."""
        ...

    def error(self, index: int, row: int, cause: BaseException | str) -> Exception:
        """What to raise for a picture that cannot be read, as sample ``row`` of its data set."""
        ...


class StorePictures:
    """A store's records, by their index.

    Whatever an epoch needs of the store's columns is read here once: their memory is the file's,
    and a file that someone cuts short under a run would take the process with it.

    Attributes:
        common_size: height and width, where all pictures have the same.

    Args:
        store: open; stays open as long as this lives.

    Raises:
        StoreError: its offsets or codecs cannot be read.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.source = self._source()
        self.needs_pillow = bool(np.any(store.column("codec") == Codec.OTHER))
        self.common_size = _common_size(store)

    def _source(self) -> Any:
        return store_source(self.store)

    def bring(self, indices: NDArray[np.int64]) -> None:
        """Nothing: the store is here."""

    @property
    def lengths(self) -> NDArray[np.uint64]:
        """Bytes of each record, [N]."""
        return self.store.column("length")

    @property
    def identity(self) -> str:
        """The packing's own number; copies of the store have it too."""
        return f"store {self.store.header.store_id}, {len(self.store)} records"

    def name(self, index: int) -> str:
        """The relative path in the folder that was packed."""
        return self.store.names[index]

    def image(self, index: int) -> Image.Image:
        """The picture in a record.

        Raises:
            RecordError: the record is damaged.
            Exception: whatever Pillow raises.
        """
        data = self.read(index)
        return open_picture(decode_record(data, verify_body=False), data)

    def open(self, index: int) -> NDArray[np.uint8]:
        """Its pixels: uint8 [height, width, 3], RGB."""
        return np.asarray(self.image(index))

    def read(self, index: int) -> bytes:
        """The record, checked as `Store.record_bytes` does.

        Raises:
            RecordError: it is damaged.
        """
        return self.store.record_bytes(index)

    def render(
        self, recipe: _core.Recipe, data: bytes, seed: int, position: int, out: NDArray[Any]
    ) -> None:
        """A sample of a record."""
        recipe.render_record(data, seed, position, out)

    def head(self, data: bytes) -> tuple[tuple[int, int], Info]:
        """Of a record: of the file's ``info``, stores keep the EXIF orientation."""
        record = decode_record(data, verify_body=False)
        return (record.height, record.width), picture_info(record)

    def error(self, index: int, row: int, cause: BaseException | str) -> Exception:
        """A RecordError that names the store, the sample and its file."""
        if isinstance(cause, RecordError):
            return cause
        name = self.name(index)
        return RecordError(
            f"{self.store.location}: sample {index} ({name!r}; {row} in the data set) cannot be "
            f"decoded: {cause}. Pack the folder again, or see `fastload verify`.",
            index=index,
            name=name,
        )


def store_source(store: Store) -> _core.StoreSource:
    """The core's source of a store that is one file."""
    count = len(store)
    for index in sorted({i * (count - 1) // _PROBES for i in range(_PROBES + 1)} if count else ()):
        try:
            store.record_bytes(index, verify=False)  # makes the store look for moved records
        except RecordError:  # that one is damaged; it is reported when it is asked for
            continue
    return _core.StoreSource(store.fileno(), *store.extents())


def _common_size(store: Store) -> tuple[int, int] | None:
    found = []
    for name in ("height", "width"):
        sizes = store.column(name)
        if not len(sizes) or sizes.min() != sizes.max():
            return None
        found.append(int(sizes[0]))
    return found[0], found[1]


class FilePictures:
    """Files, as torchvision's ``default_loader`` opens them.

    Args:
        paths: one a picture.
    """

    common_size: tuple[int, int] | None = None
    needs_pillow: bool = True  # only the bytes of each file would tell

    def __init__(self, paths: Sequence[str | os.PathLike[str]]) -> None:
        self.paths = paths
        encoded = [os.fsencode(path) for path in paths]
        offsets = np.zeros(len(encoded) + 1, np.uint64)
        np.cumsum([len(path) for path in encoded], out=offsets[1:])
        self.source = _core.FileSource(b"".join(encoded), offsets)

    def bring(self, indices: NDArray[np.int64]) -> None:
        """Nothing: files are where they are."""

    @cached_property
    def identity(self) -> str:
        """A hash of all paths, in their order."""
        paths = b"\0".join(os.fsencode(path) for path in self.paths)
        if not all(map(os.path.isabs, self.paths)):
            paths += b"\0\0" + os.fsencode(os.getcwd())
        return f"files {hashlib.sha256(paths).hexdigest()}"

    def name(self, index: int) -> str:
        """The file's path."""
        return os.fspath(self.paths[index])

    def image(self, index: int) -> Image.Image:
        """The picture in a file.

        Raises:
            Exception: whatever Pillow raises.
        """
        with open(self.paths[index], "rb") as file, Image.open(file) as image:
            return image.convert("RGB")

    def open(self, index: int) -> NDArray[np.uint8]:
        """Its pixels: uint8 [height, width, 3], RGB."""
        return np.asarray(self.image(index))

    def read(self, index: int) -> bytes:
        """The file."""
        with open(self.paths[index], "rb") as file:
            return file.read()

    def render(
        self, recipe: _core.Recipe, data: bytes, seed: int, position: int, out: NDArray[Any]
    ) -> None:
        """A sample of a JPEG file."""
        recipe.render_jpeg(data, seed, position, out)

    def head(self, data: bytes) -> tuple[tuple[int, int], Info]:
        """Of a file, by Pillow, which only reads what stands before the pixels."""
        with Image.open(BytesIO(data)) as image:
            return (image.height, image.width), image.info

    def error(self, index: int, row: int, cause: BaseException | str) -> Exception:
        """An OSError of the system's own kind, or a DecodeError; both name sample and file."""
        name = self.name(index)
        if isinstance(cause, OSError) and cause.errno is not None:
            return OSError(cause.errno, f"sample {row}: {cause.strerror}", name)
        return DecodeError(
            f"sample {row} ({name!r}) cannot be decoded: {cause}. Mend or remove the file, or "
            'pass on_error="skip" or "replace".'
        )
