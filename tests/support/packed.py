"""Which photos are packed, and not taken from an earlier store."""

from __future__ import annotations

import pytest

from fastload.convert.photo import PackedPhoto, PhotoPacker

__all__ = ["count_packed"]


def count_packed(monkeypatch: pytest.MonkeyPatch, *, empty_ones: bool = True) -> list[int]:
    """A list that grows by the size of each file that is packed from now on.

    Args:
        monkeypatch: undoes it.
        empty_ones: files without a byte count too, which are tried each time.
    """
    sizes: list[int] = []
    pack_photo = PhotoPacker.pack

    def count(self: PhotoPacker, data: bytes) -> PackedPhoto:
        if data or empty_ones:
            sizes.append(len(data))
        return pack_photo(self, data)

    monkeypatch.setattr(PhotoPacker, "pack", count)
    return sizes
