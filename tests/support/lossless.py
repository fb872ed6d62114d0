"""A lossless JPEG (SOF3, predictor 1) of a small picture; Pillow's own libjpeg can read it."""

from __future__ import annotations

import numpy as np

from support.entropy import BitWriter, flat_table, magnitude
from support.markers import EOI, SOF3, SOI, SOS, Segment, join


def encode_lossless(image: np.ndarray) -> bytes:
    """A lossless JPEG file of uint8 [height, width, components] (T.81, annex H)."""
    height, width, components = image.shape
    table = flat_table(tuple(range(10)))
    codes = table.codes()
    writer = BitWriter()
    samples = image.astype(int)
    for y in range(height):
        for x in range(width):
            for c in range(components):
                if x:
                    expected = samples[y, x - 1, c]
                else:
                    expected = samples[y - 1, 0, c] if y else 128
                size, bits = magnitude(int(samples[y, x, c] - expected))
                writer.write(*codes[size])
                writer.write(bits, size)
    writer.flush()
    frame = bytes((8,)) + height.to_bytes(2, "big") + width.to_bytes(2, "big")
    frame += bytes((components,)) + b"".join(bytes((c + 1, 0x11, 0)) for c in range(components))
    scan = bytes((components,)) + b"".join(bytes((c + 1, 0)) for c in range(components))
    return join(
        [
            Segment(SOI),
            Segment(SOF3, frame),
            table.segment(0, 0),
            Segment(SOS, scan + b"\1\0\0", writer.getvalue()),
            Segment(EOI),
        ]
    )
