"""The preset dictionary of restore blocks: bytes that the headers of most JPEG files share.

Made of the example tables of ITU-T T.81, annex K, which most encoders use as they are. Part of the
store format: docs/format.md says how it is put together and what its checksum is.
"""

from __future__ import annotations

from functools import cache

__all__ = ["restore_dictionary"]

#: Qualities, as libjpeg counts them, that cameras, programs and data sets often use. The last one
#: is libjpeg's default.
_QUALITIES = (96, 95, 92, 90, 85, 80, 75)

#: Tables K.1 (luminance) and K.2 (chrominance) in rows, as the standard prints them.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99,
    18, 21, 26, 66, 99, 99, 99, 99,
    24, 26, 56, 99, 99, 99, 99, 99,
    47, 66, 99, 99, 99, 99, 99, 99,
    *(99,) * 32,
)  # fmt: skip

#: Tables K.3, K.5, K.4 and K.6 as a DHT segment has them (T.81, B.2.4.2), in the order of most
#: files: class and number, codes of each length, symbols.
_HUFFMAN_TABLES = (
    bytes.fromhex("00 00010501010101010100000000000000 000102030405060708090a0b"),
    bytes.fromhex(
        "10 0002010303020403050504040000017d"
        "01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
        "2433627282090a161718191a25262728292a3435363738393a43444546474849"
        "4a535455565758595a636465666768696a737475767778797a83848586878889"
        "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
        "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8"
        "f9fa"
    ),
    bytes.fromhex("01 00030101010101010101010000000000 000102030405060708090a0b"),
    bytes.fromhex(
        "11 00020102040403040705040400010277"
        "000102031104052131061241510761711322328108144291a1b1c109233352f0"
        "156272d10a162434e125f11718191a262728292a35363738393a434445464748"
        "494a535455565758595a636465666768696a737475767778797a828384858687"
        "88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
        "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8"
        "f9fa"
    ),
)

#: Units and densities of JFIF 1.1: dots an inch, and none.
_DENSITIES = ((1, 300), (1, 72), (0, 1))


@cache
def restore_dictionary() -> bytes:
    """The dictionary.

    Deflate names near bytes with fewer bits, so the likeliest stand last, in the order of a file.
    """
    scan = _segment(0xDA, bytes((3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0)))
    return b"".join(
        (
            _frame(0x11),
            _segment(0xC4, b"".join(_HUFFMAN_TABLES)),
            scan,
            *(
                _segment(0xDB, bytes((number,)) + _scaled(table, quality))
                for quality in _QUALITIES
                for number, table in enumerate((_LUMINANCE, _CHROMINANCE))
            ),
            b"\xff\xd8",
            *(_jfif(units, density) for units, density in _DENSITIES),
            _frame(0x22),
            *(_segment(0xC4, table) for table in _HUFFMAN_TABLES),
            scan,
            b"\xff\xd9",
        )
    )


def _segment(marker: int, payload: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(payload) + 2).to_bytes(2, "big") + payload


def _frame(luminance_sampling: int) -> bytes:
    """SOF0 of a picture of 0 x 0 pixels, Y Cb Cr."""
    components = (1, luminance_sampling, 0, 2, 0x11, 1, 3, 0x11, 1)
    return _segment(0xC0, bytes((8, 0, 0, 0, 0, 3, *components)))


def _jfif(units: int, density: int) -> bytes:
    across_and_down = density.to_bytes(2, "big") * 2
    return _segment(0xE0, b"JFIF\0\x01\x01" + bytes((units,)) + across_and_down + bytes(2))


def _scaled(table: tuple[int, ...], quality: int) -> bytes:
    """A quantization table for a quality of 50 or more, in the order of the zigzag (libjpeg's)."""
    percent = 200 - 2 * quality
    return bytes(max(1, (table[place] * percent + 50) // 100) for place in _zigzag())


def _zigzag() -> list[int]:
    """Row * 8 + column of each place of the zigzag."""

    def place(index: int) -> tuple[int, int]:
        row, column = divmod(index, 8)
        # Odd diagonals go down, even ones up.
        return row + column, row if (row + column) % 2 else column

    return sorted(range(64), key=place)
