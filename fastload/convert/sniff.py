"""What a file is by its first bytes, for messages: never for deciding what is packed."""

from __future__ import annotations

__all__ = [
    "MAX_EXTENSION_BYTES",
    "SNIFF_BYTES",
    "extension_of",
    "format_by_bytes",
    "format_by_extension",
    "is_picture_format",
]

SNIFF_BYTES = 32

_MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"P5", "PPM"),
    (0, b"P6", "PPM"),
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (4, b"ftyp", "MP4"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"8BPS", "PSD"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"\0\x05\x16\x07", "macOS resource fork"),
)
_PICTURES = frozenset(
    {
        "JPEG",
        "PNG",
        "GIF",
        "WEBP",
        "BMP",
        "TIFF",
        "PPM",
        "AVIF",
        "HEIC",
        "JPEG XL",
        "JPEG 2000",
        "PSD",
    }
)
_EXTENSION_FORMATS = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".ppm": "PPM", ".pgm": "PPM", ".bmp": "BMP",
    ".tif": "TIFF", ".tiff": "TIFF", ".webp": "WEBP",
}  # fmt: skip


def format_by_bytes(head: bytes) -> str:
    """The name of what begins with ``head`` (the first ``SNIFF_BYTES`` bytes or fewer).

    Returns a format's name, ``"HTML"``, ``"text"``, ``"zero bytes"``, or ``""`` where unknown.
    """
    for offset, magic, name in _MAGIC:
        if head[offset : offset + len(magic)] == magic:
            return name
    if not head.strip(b"\0"):
        return "zero bytes" if head else ""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "HTML"
    if start.startswith((b"<?xml", b"<svg")):
        return "XML"
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        return "text"
    return ""


def extension_of(name: str) -> str:
    """The usual ending of a format's files, such as ``".jpg"``; ``""`` where unknown."""
    return next((ending for ending, known in _EXTENSION_FORMATS.items() if known == name), "")


def is_picture_format(name: str) -> bool:
    """Whether ``name``, as ``format_by_bytes`` gives it, is that of a picture."""
    return name in _PICTURES


#: Of the longest ending that ``format_by_extension`` knows.
MAX_EXTENSION_BYTES = max(map(len, _EXTENSION_FORMATS))


def format_by_extension(name: str) -> str:
    """The format that a file's name promises, or ``""``. MPO counts as JPEG to all who ask."""
    lower = name.lower()
    return next((fmt for ext, fmt in _EXTENSION_FORMATS.items() if lower.endswith(ext)), "")
