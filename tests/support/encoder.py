"""A small baseline JPEG encoder for files that Pillow and cjpeg cannot make.

Any sampling factors, any component ids, one scan or one a component, restart intervals,
12-bit samples, 16-bit quantisation tables, DNL, zero padding bits.  Written from T.81; slow, exact
enough, and deterministic (float64 DCT of small pictures).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from support.entropy import BitWriter, HuffmanTable, flat_table, magnitude, standard_tables
from support.markers import (
    APP0,
    APP14,
    DNL,
    DQT,
    DRI,
    EOI,
    SOF0,
    SOF1,
    SOI,
    SOS,
    Segment,
    join,
)

Sampling = tuple[tuple[int, int], ...]


def _zigzag() -> np.ndarray:
    """Row-major positions in the order of the file: diagonals, odd ones downwards."""
    cells = [(y, x) for y in range(8) for x in range(8)]
    cells.sort(key=lambda c: (c[0] + c[1], c[0] if (c[0] + c[1]) % 2 else c[1]))
    return np.array([8 * y + x for y, x in cells])


ZIGZAG = _zigzag()
_k = np.arange(8)
DCT = np.cos((2 * _k[None, :] + 1) * _k[:, None] * np.pi / 16) / 2
DCT[0] /= np.sqrt(2)


@dataclass(frozen=True, slots=True)
class Options:
    """How to write a file.

    Attributes:
        sampling: (horizontal, vertical) factors, one a component, 1..4.
        step: quantiser step of the DC coefficient; it grows with frequency.
        restart_interval: MCUs between restart markers; 0: none.
        interleaved: all components in one scan, else one scan a component.
        component_ids: one a component.
        transform: None: no Adobe marker; else its transform byte.
        jfif: write a JFIF marker.
        to_ycc: turn RGB into YCbCr first (three components only).
        flat_huffman: codes of one length in place of annex K's tables.
        pad_bit: what fills the last byte before a marker; encoders write 1.
        wide_quant: 16-bit quantisation tables.
        dnl: None; "empty": height 0 in the frame and a DNL after the scan; "extra": DNL only.
        precision: 8 or 12 bits a sample.
    """

    sampling: Sampling = ((2, 2), (1, 1), (1, 1))
    step: int = 6
    restart_interval: int = 0
    interleaved: bool = True
    component_ids: tuple[int, ...] = (1, 2, 3, 4)
    transform: int | None = None
    jfif: bool = True
    to_ycc: bool = True
    flat_huffman: bool = False
    pad_bit: int = 1
    wide_quant: bool = False
    dnl: str | None = None
    precision: int = 8


def encode(image: np.ndarray, options: Options) -> bytes:
    """A JPEG file of ``image``, uint8 [height, width, components]."""
    height, width, components = image.shape
    if len(options.sampling) != components:
        raise ValueError(f"sampling: expected {components} pairs, found {len(options.sampling)}")
    if options.to_ycc and components == 3:
        image = np.asarray(Image.fromarray(image).convert("YCbCr"))
    quant = _quant_table(options)
    blocks = [_blocks(image[:, :, c], c, options, quant) for c in range(components)]
    scans = [tuple(range(components))] if options.interleaved else [(c,) for c in range(components)]
    segments = [Segment(SOI)]
    if options.jfif:
        segments.append(Segment(APP0, b"JFIF\0\1\1\0\0\1\0\1\0\0"))
    if options.transform is not None:
        segments.append(Segment(APP14, b"Adobe\0\x64\0\0\0\0" + bytes((options.transform,))))
    wide = ">u2" if options.wide_quant else "u1"
    segments.append(
        Segment(DQT, bytes((16 if options.wide_quant else 0,)) + quant.astype(wide).tobytes())
    )
    segments.append(_frame(height, width, options))
    dc, ac = _huffman(options)
    segments += [dc.segment(0, 0), ac.segment(1, 0)]
    if options.restart_interval:
        segments.append(Segment(DRI, options.restart_interval.to_bytes(2, "big")))
    for scan in scans:
        payload = bytes((len(scan),))
        payload += b"".join(bytes((options.component_ids[c], 0)) for c in scan) + b"\0\x3f\0"
        data = _entropy(blocks, scan, (height, width), options, dc, ac)
        segments.append(Segment(SOS, payload, data))
        if options.dnl and scan is scans[0]:
            segments.append(Segment(DNL, height.to_bytes(2, "big")))
    return join([*segments, Segment(EOI)])


def _quant_table(options: Options) -> np.ndarray:
    steps = options.step * (1 + np.arange(64) // 8)
    if options.wide_quant:  # some that need the high byte
        steps[41:] += 257
    return steps


def _huffman(options: Options) -> tuple[HuffmanTable, HuffmanTable]:
    if options.flat_huffman or options.precision > 8:
        sizes = range(16 if options.precision > 8 else 12)
        most = 15 if options.precision > 8 else 11
        symbols = [0x00, 0xF0, *(run << 4 | size for run in range(16) for size in range(1, most))]
        return flat_table(tuple(sizes)), flat_table(tuple(symbols))
    return standard_tables()[0, 0], standard_tables()[1, 0]


def _frame(height: int, width: int, options: Options) -> Segment:
    payload = bytes((options.precision,))
    payload += (0 if options.dnl == "empty" else height).to_bytes(2, "big")
    payload += width.to_bytes(2, "big") + bytes((len(options.sampling),))
    for identity, (h, v) in zip(options.component_ids, options.sampling, strict=False):
        payload += bytes((identity, h << 4 | v, 0))
    return Segment(SOF0 if options.precision == 8 and not options.wide_quant else SOF1, payload)


def _geometry(
    component: int, size: tuple[int, int], sampling: Sampling
) -> tuple[int, int, int, int]:
    """(rows, columns) of the component in samples and (MCU rows, MCU columns) of the picture."""
    most_h = max(h for h, _ in sampling)
    most_v = max(v for _, v in sampling)
    h, v = sampling[component]
    rows, columns = -(-size[0] * v // most_v), -(-size[1] * h // most_h)
    return rows, columns, -(-size[0] // (8 * most_v)), -(-size[1] // (8 * most_h))


def _blocks(plane: np.ndarray, component: int, options: Options, quant: np.ndarray) -> np.ndarray:
    """Quantised coefficients in file order, int [block rows, block columns, 64]."""
    height, width = plane.shape
    h, v = options.sampling[component]
    rows, columns, mcu_rows, mcu_columns = _geometry(component, (height, width), options.sampling)
    y = np.minimum(np.arange(rows) * height // rows, height - 1)
    x = np.minimum(np.arange(columns) * width // columns, width - 1)
    samples = plane[y][:, x].astype(np.float64)
    if options.precision > 8:
        samples *= 16
    samples = np.pad(
        samples,
        ((0, mcu_rows * v * 8 - rows), (0, mcu_columns * h * 8 - columns)),
        mode="edge",
    ) - (1 << (options.precision - 1))
    tiles = samples.reshape(mcu_rows * v, 8, mcu_columns * h, 8).swapaxes(1, 2)
    coefficients = (DCT @ tiles @ DCT.T).reshape(mcu_rows * v, mcu_columns * h, 64)
    return np.rint(coefficients[:, :, ZIGZAG] / quant).astype(np.int64)


def _walk(
    scan: tuple[int, ...], size: tuple[int, int], sampling: Sampling
) -> Iterator[list[tuple[int, int, int]]]:
    """The MCUs of a scan, each a list of (component, block row, block column)."""
    if len(scan) == 1:  # a scan of one component has MCUs of one block, without padding
        rows, columns, _, _ = _geometry(scan[0], size, sampling)
        for y in range(-(-rows // 8)):
            for x in range(-(-columns // 8)):
                yield [(scan[0], y, x)]
        return
    _, _, mcu_rows, mcu_columns = _geometry(0, size, sampling)
    for my in range(mcu_rows):
        for mx in range(mcu_columns):
            yield [
                (c, my * sampling[c][1] + y, mx * sampling[c][0] + x)
                for c in scan
                for y in range(sampling[c][1])
                for x in range(sampling[c][0])
            ]


def _entropy(
    blocks: list[np.ndarray],
    scan: tuple[int, ...],
    size: tuple[int, int],
    options: Options,
    dc: HuffmanTable,
    ac: HuffmanTable,
) -> bytes:
    writer = BitWriter(options.pad_bit)
    dc_codes, ac_codes = dc.codes(), ac.codes()
    last = dict.fromkeys(scan, 0)
    for number, mcu in enumerate(_walk(scan, size, options.sampling)):
        if options.restart_interval and number and number % options.restart_interval == 0:
            writer.marker(0xD0 + (number // options.restart_interval - 1) % 8)
            last = dict.fromkeys(scan, 0)
        for component, y, x in mcu:
            block = [int(value) for value in blocks[component][y, x]]
            category, bits = magnitude(block[0] - last[component])
            last[component] = block[0]
            writer.write(*dc_codes[category])
            writer.write(bits, category)
            _write_ac(writer, block, ac_codes)
    writer.flush()
    return writer.getvalue()


def _write_ac(writer: BitWriter, block: list[int], codes: dict[int, tuple[int, int]]) -> None:
    run = 0
    for value in block[1:]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            writer.write(*codes[0xF0])
            run -= 16
        category, bits = magnitude(value)
        writer.write(*codes[run << 4 | category])
        writer.write(bits, category)
        run = 0
    if run:
        writer.write(*codes[0])
