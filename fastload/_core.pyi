"""The native core's functions. Not a public interface: see fastload.jpeg and fastload.pixels."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Buffer = bytes | bytearray | memoryview | NDArray[Any]
_Window = Sequence[int]

class JpegHeader:
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def components(self) -> int: ...
    @property
    def precision(self) -> int: ...
    @property
    def sampling(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def color_space(self) -> str: ...
    @property
    def progressive(self) -> bool: ...
    @property
    def arithmetic(self) -> bool: ...
    @property
    def lossless(self) -> bool: ...
    @property
    def restart_interval(self) -> int: ...
    @property
    def orientation(self) -> int: ...

def xxh3_64(data: Buffer) -> int: ...
def xxh3_128(data: Buffer) -> bytes: ...
def libjpeg_turbo_version() -> str: ...
def simd() -> str: ...
def set_simd(name: str) -> bool: ...
def jpeg_header(data: Buffer, max_pixels: int = ...) -> JpegHeader: ...
def jpeg_check(data: Buffer, max_pixels: int = ..., max_scans: int = ...) -> tuple[int, int, int]:
    """Warnings, height, width."""

def tile_jpeg(
    data: Buffer, tile_width: int = ..., max_pixels: int = ...
) -> tuple[bytes, bytes, bytes, bytes]:
    """Head, entropy data, source header, source trailer."""

def untile_jpeg(
    head: Buffer, entropy: Buffer, source_header: Buffer, source_trailer: Buffer
) -> bytes: ...
def record_size(record: Buffer) -> tuple[int, int]: ...
def decode(record: Buffer, region: _Window, out: NDArray[np.uint8]) -> None: ...
def decode_resized_crop(
    record: Buffer,
    crop: _Window,
    resize: Sequence[int],
    window: _Window,
    filter: int,
    order: int,
    flip_horizontal: bool,
    flip_vertical: bool,
    fill: Sequence[int],
    dtype: int,
    table: NDArray[Any] | None,
    out: NDArray[Any],
) -> None: ...
def resample(
    image: NDArray[np.uint8],
    crop: _Window,
    resize: Sequence[int],
    window: _Window,
    filter: int,
    order: int,
    flip_horizontal: bool,
    flip_vertical: bool,
    fill: Sequence[int],
    dtype: int,
    table: NDArray[Any] | None,
    out: NDArray[Any],
) -> None: ...
