"""A JPEG file as a list of segments, so that tests can take it apart and join it again."""

from __future__ import annotations

from dataclasses import dataclass, replace

SOI, EOI, SOS, DQT, DHT, DRI, DNL, COM = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xDC, 0xFE
APP0, APP1, APP14 = 0xE0, 0xE1, 0xEE
SOF0, SOF1, SOF2, SOF3, SOF9 = 0xC0, 0xC1, 0xC2, 0xC3, 0xC9
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {DHT, 0xC8, 0xCC}
_STANDALONE = frozenset({SOI, EOI, 0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker with its parameters and, for SOS, the entropy-coded data behind them.

    Attributes:
        marker: the second byte of the marker, 0xD8 for FF D8.
        payload: parameters without the two length bytes.
        scan: entropy-coded data with stuffing and restart markers; only after SOS.
    """

    marker: int
    payload: bytes = b""
    scan: bytes = b""

    def encode(self) -> bytes:
        """The segment's bytes in a file."""
        start = bytes((0xFF, self.marker))
        if self.marker in _STANDALONE:
            return start
        return start + (len(self.payload) + 2).to_bytes(2, "big") + self.payload + self.scan


def split(data: bytes) -> list[Segment]:
    """The segments of a sound file up to and with its first EOI; bytes behind it are dropped."""
    segments: list[Segment] = []
    position = 0
    while position < len(data):
        if data[position] != 0xFF:
            raise ValueError(f"offset {position}: expected a marker, found {data[position]:#04x}")
        marker = data[position + 1]
        position += 2
        if marker in _STANDALONE:
            segments.append(Segment(marker))
            if marker == EOI:
                break
            continue
        size = int.from_bytes(data[position : position + 2], "big")
        payload = data[position + 2 : position + size]
        position += size
        end = _end_of_scan(data, position) if marker == SOS else position
        segments.append(Segment(marker, payload, data[position:end]))
        position = end
    return segments


def _end_of_scan(data: bytes, position: int) -> int:
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            return len(data)
        if data[position + 1] != 0 and not 0xD0 <= data[position + 1] <= 0xD7:
            return position
        position += 2


def join(segments: list[Segment]) -> bytes:
    """The file of these segments."""
    return b"".join(segment.encode() for segment in segments)


def insert(data: bytes, segment: Segment, *, before: int | None = None) -> bytes:
    """``data`` with a segment right behind SOI, or before the first one of marker ``before``."""
    segments = split(data)
    place = 1
    if before is not None:
        place = next(i for i, found in enumerate(segments) if found.marker == before)
    return join([*segments[:place], segment, *segments[place:]])


def drop(data: bytes, marker: int) -> bytes:
    """``data`` without any segment of that marker."""
    return join([segment for segment in split(data) if segment.marker != marker])


def edit_frame(
    data: bytes,
    *,
    height: int | None = None,
    width: int | None = None,
    precision: int | None = None,
) -> bytes:
    """``data`` with other numbers in its frame header; nothing else changes."""
    segments = split(data)
    for i, segment in enumerate(segments):
        if segment.marker in FRAME_MARKERS:
            payload = bytearray(segment.payload)
            if precision is not None:
                payload[0] = precision
            if height is not None:
                payload[1:3] = height.to_bytes(2, "big")
            if width is not None:
                payload[3:5] = width.to_bytes(2, "big")
            segments[i] = replace(segment, payload=bytes(payload))
    return join(segments)


def scans(data: bytes) -> int:
    """How many scans the file has."""
    return sum(segment.marker == SOS for segment in split(data))


def keep_scans(data: bytes, count: int) -> bytes:
    """A file that ends properly after its first ``count`` scans: a progressive one lacks detail."""
    kept: list[Segment] = []
    seen = 0
    for segment in split(data):
        if segment.marker == SOS:
            seen += 1
            if seen > count:
                break
        kept.append(segment)
    return join([*kept, Segment(EOI)] if kept[-1].marker != EOI else kept)


def map_scan(data: bytes, change) -> bytes:
    """``data`` with ``change`` applied to the entropy-coded data of its first scan."""
    segments = split(data)
    place = next(i for i, segment in enumerate(segments) if segment.marker == SOS)
    segments[place] = replace(segments[place], scan=change(segments[place].scan))
    return join(segments)
