"""The samples' names: a sequence over two columns, no Python object a sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

__all__ = ["Names"]


class Names(Sequence[str]):
    """Relative paths with "/", in sample order; undecodable bytes kept by surrogateescape.

    Args:
        offsets: uint64 [N + 1]; name i is ``data[offsets[i]:offsets[i + 1]]``.
        data: uint8, all names' UTF-8 bytes.
    """

    def __init__(self, offsets: NDArray[np.uint64], data: NDArray[np.uint8]) -> None:
        raise NotImplementedError

    def __len__(self) -> int:
        raise NotImplementedError

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Names: ...
    def __getitem__(self, index: int | slice) -> str | Names:
        raise NotImplementedError

    def find(self, name: str) -> int | None:
        """The first sample of that name, or None; the first call builds a sorted index."""
        raise NotImplementedError
