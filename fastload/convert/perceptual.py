"""Perceptual hashes: 64 bits that hardly change where a picture is scaled or saved anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from fastload.errors import MissingLibraryError

__all__ = ["HASH_SIDE", "load_perceptual_hash"]

#: Height and width that the hash is made of: ``imagehash.phash`` resizes to it.
HASH_SIDE = 32
#: Standard deviation in steps of gray. Below it the hash is one of noise, and all such look alike.
_FLAT = 3.0


def load_perceptual_hash() -> Callable[[Image.Image], int | None]:
    """What makes the hash of a picture of ``HASH_SIDE`` x ``HASH_SIDE`` pixels.

    It is the 64-bit DCT hash of the library imagehash (``imagehash.phash``); None for a picture
    that is all but one colour. Safe to call from many threads.

    Raises:
        MissingLibraryError: imagehash is not installed.
    """
    try:
        import imagehash
    except ImportError as error:
        raise MissingLibraryError(
            "near-duplicates need imagehash: pip install 'fastload[duplicates]'; exact duplicates "
            "are found without it"
        ) from error
    phash: Any = imagehash.phash

    def perceptual_hash(small: Image.Image) -> int | None:
        gray = small.convert("L")
        if np.asarray(gray).std() < _FLAT:
            return None
        return int.from_bytes(np.packbits(phash(gray).hash).tobytes(), "big")

    return perceptual_hash
