"""The members of a tar that may be damaged or hostile: where each one's bytes stand.

Only headers are read, no member is kept, and nothing ends in silence: Python's ``tarfile`` takes a
damaged header for the end. It reads here whatever is not plain (long names, pax headers, sparse
files); plain headers, nearly all there are, take a fifth of its time (POSIX.1-2017, pax, "ustar
Interchange Format").
"""

from __future__ import annotations

import os
import struct
import tarfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple, cast

from fastload.convert.findings import Severity

__all__ = ["TarMember", "TarRemark", "tar_members"]

_BLOCK = 512
_HEADER = struct.Struct("100s8s8x8x12s12s8sc100x6s2s32x32x8x8x155s12x")
_READ_AHEAD_BYTES = 4096
#: A pax header or a long name above this is refused: no tool writes such.
_MAX_HEADER_BYTES = 1 << 20
_TIME_LIMIT_NS = 1 << 63
#: How far behind the end mark is looked for more; tools fill up to 10 KiB.
_LOOKED_AT_BYTES = 16 << 20
_ZEROS = bytes(_BLOCK)


class TarMember(NamedTuple):
    """One member.

    Attributes:
        name: as the tar has it; undecodable bytes by surrogateescape.
        offset: of its bytes in the file.
        size: bytes.
        mtime_ns: nanoseconds since 1970.
        mode: permission bits.
        kind: "" for a regular file, "folder", or what else it is, for messages.
    """

    name: str
    offset: int
    size: int
    mtime_ns: int
    mode: int
    kind: str = ""


class TarRemark(NamedTuple):
    """What there is to say about a tar itself; the last thing about it."""

    severity: Severity
    kind: str
    detail: str


def tar_members(descriptor: int, file_bytes: int) -> Iterator[TarMember | TarRemark]:
    """All members in order, and a remark where the tar does not end as it should.

    Args:
        descriptor: of the tar.
        file_bytes: its size.

    Raises:
        OSError: it cannot be read.
    """
    blocks = _Blocks(descriptor)
    # In this mode the constructor reads nothing; nothing is ever written.
    slow = tarfile.TarFile(
        fileobj=cast("Any", blocks), mode="w", encoding="utf-8", errors="surrogateescape"
    )
    position = start = 0
    ahead = b""
    while position < file_bytes:
        if not start <= position <= start + len(ahead) - _BLOCK:
            start, ahead = position, os.pread(descriptor, _READ_AHEAD_BYTES, position)
        block = ahead[position - start : position - start + _BLOCK]
        if block == _ZEROS:
            yield from _behind_end(descriptor, position, file_bytes)
            return
        # Global pax headers change what plain ones say.
        member = None if slow.pax_headers else _plain(block, position)
        if member is not None:
            following = member.offset + -(-member.size // _BLOCK) * _BLOCK
        else:
            try:
                blocks.seek(position)
                info = tarfile.TarInfo.fromtarfile(slow)
                member, following = _member(info), slow.offset
            except (tarfile.TarError, ValueError, ArithmeticError, LookupError, TypeError,
                    RecursionError) as error:  # fmt: skip
                yield _damage(position, f"no header of a member: {error}", file_bytes)
                return
        if member.size < 0 or following <= position or following % _BLOCK:
            yield _damage(position, "a header with sizes that cannot be", file_bytes)
            return
        if member.offset + member.size > file_bytes:
            there = max(0, file_bytes - member.offset)
            what = f"{member.name!a:.120} has {there:,} of its {member.size:,} bytes"
            yield _damage(position, what, file_bytes)
            return
        yield member
        position = following
    yield TarRemark(
        Severity.NOTE, "no-end-mark",
        f"it has no end mark, as if cut short behind a member, at byte {file_bytes:,}",
    )  # fmt: skip


class _Blocks:
    """The file as ``tarfile`` reads it: a header at a time, never more."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._position = 0

    def seek(self, position: int) -> None:
        self._position = position

    def tell(self) -> int:
        return self._position

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _MAX_HEADER_BYTES:
            raise tarfile.ReadError(f"a header of {count:,} bytes")
        data = os.pread(self._descriptor, count, self._position)
        self._position += len(data)
        return data


def _plain(block: bytes, position: int) -> TarMember | None:
    """The member of a header without anything special about it; None: let ``tarfile`` look."""
    if len(block) < _BLOCK:
        return None
    name, mode, size, mtime, checksum, kind, magic, _version, prefix = _HEADER.unpack(block)
    if kind not in b"0\0" or magic not in (b"ustar\0", b"ustar "):
        return None
    numbers = []
    for field in (checksum, size, mtime, mode):
        text = field.rstrip(b" \0").lstrip(b" ")
        if not text.isdigit():
            return None
        try:
            numbers.append(int(text, 8))
        except ValueError:
            return None
    if numbers[0] != sum(block) - sum(block[148:156]) + 256:
        return None
    name = name.partition(b"\0")[0]
    if prefix[0]:
        if magic == b"ustar ":
            return None
        name = prefix.partition(b"\0")[0] + b"/" + name
    if name.endswith(b"/"):
        return None
    return TarMember(
        name.decode("utf-8", "surrogateescape"),
        position + _BLOCK,
        numbers[1],
        numbers[2] * 10**9,
        numbers[3] & 0o777,
    )


def _member(info: tarfile.TarInfo) -> TarMember:
    size = info.size if info.isreg() and not info.issparse() else 0
    mtime_ns = _nanoseconds(info.pax_headers.get("mtime", info.mtime))
    mode = (info.mode or 0) & 0o777
    return TarMember(info.name, info.offset_data, size, mtime_ns, mode, _kind(info))


def _kind(info: tarfile.TarInfo) -> str:
    if info.issparse():
        return "a sparse file"
    if info.isreg():
        return ""
    kinds = {
        tarfile.DIRTYPE: "folder", tarfile.SYMTYPE: "a link", tarfile.LNKTYPE: "a link",
        tarfile.FIFOTYPE: "a FIFO", tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device",
    }  # fmt: skip
    return kinds.get(info.type, "something else")


def _nanoseconds(seconds: float | str) -> int:
    """Exactly what a pax header says; 0 where that is no time."""
    try:
        found = int(Decimal(seconds) * 10**9)
    except (InvalidOperation, OverflowError, ValueError):
        return 0
    return found if abs(found) < _TIME_LIMIT_NS else 0


def _behind_end(descriptor: int, position: int, file_bytes: int) -> Iterator[TarRemark]:
    """A remark where something follows the end mark."""
    for start in range(position, min(file_bytes, position + _LOOKED_AT_BYTES), _MAX_HEADER_BYTES):
        data = os.pread(descriptor, _MAX_HEADER_BYTES, start)
        place = len(data) - len(data.lstrip(b"\0"))
        if place < len(data):
            yield TarRemark(
                Severity.PROBLEM, "behind-end",
                f"its end mark is at byte {position:,}, and more follows at {start + place:,} that "
                "is not read: tars that were joined? (tar -A joins, cat does not)",
            )  # fmt: skip
            return


def _damage(position: int, what: str, file_bytes: int) -> TarRemark:
    return TarRemark(
        Severity.PROBLEM, "damaged-tar",
        f"at byte {position:,} of {file_bytes:,}: {what}; what stands before it is packed",
    )  # fmt: skip
