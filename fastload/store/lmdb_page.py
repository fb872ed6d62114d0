"""Pages of an LMDB file in its classic format, read without trusting them.

Layouts are those of ``mdb.c`` in LMDB 0.9 (``MDB_page``, ``MDB_node``, ``MDB_db``, ``MDB_meta``),
64-bit and little-endian.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError

__all__ = [
    "NODE_BIG_DATA",
    "NODE_SUB_TREE",
    "NO_PAGE",
    "PAGE_BRANCH",
    "PAGE_HEADER",
    "PAGE_HEADER_BYTES",
    "PAGE_LEAF",
    "PAGE_OVERFLOW",
    "IntegerLeaf",
    "Meta",
    "Node",
    "Tree",
    "branch_children",
    "integer_leaf",
    "leaf_nodes",
    "overflow_pages",
    "page_kind",
    "parse_meta",
    "parse_tree",
]

PAGE_HEADER_BYTES = 16
PAGE_HEADER = struct.Struct("<QHHI")  # number, pad, flags, pages of an overflow run
_PAGE_BOUNDS = struct.Struct("<QHHHH")  # number, pad, flags, lower, upper
_NODE_HEADER = struct.Struct("<HHHH")  # low and high half, flags, key size
_TREE = struct.Struct("<IHHQQQQQ")
_META_START = struct.Struct("<IIQQ")  # magic, version, address, map size
_META_END = struct.Struct("<QQ")  # last page, transaction
_PAGE_NUMBER = struct.Struct("<Q")

PAGE_BRANCH, PAGE_LEAF, PAGE_OVERFLOW, PAGE_META = 1, 2, 4, 8
_PAGE_KINDS = PAGE_BRANCH | PAGE_LEAF | PAGE_OVERFLOW | PAGE_META | 0x60  # LEAF2, SUBP: not ours
NODE_BIG_DATA, NODE_SUB_TREE = 1, 2
NO_PAGE = 0xFFFF_FFFF_FFFF_FFFF

_MAGIC = 0xBEEF_C0DE
_VERSION = 1
_MAX_DEPTH = 32  # CURSOR_STACK in mdb.c
_NODE_HEADER_BYTES = _NODE_HEADER.size
_KEY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Tree:
    """One B-tree: the counts that its descriptor claims, and its root's page number."""

    flags: int
    depth: int
    branch_pages: int
    leaf_pages: int
    entries: int
    root: int


@dataclass(frozen=True, slots=True)
class Meta:
    """A meta page: what the last commit, or the one before it, left."""

    page_bytes: int
    free: Tree
    main: Tree
    last_page: int
    transaction: int


class Node(NamedTuple):
    """A leaf's entry; ``payload`` is where, inside the page, the value or its page number is."""

    key: bytes
    flags: int
    value_bytes: int
    payload: int


class IntegerLeaf(NamedTuple):
    """A leaf of a tree with 8-byte integer keys, an array of uint64 or bool for each field."""

    keys: NDArray[np.uint64]
    value_bytes: NDArray[np.uint64]
    payloads: NDArray[np.uint64]
    big: NDArray[np.bool_]
    big_pages: NDArray[np.uint64]


def parse_meta(page: bytes) -> Meta | None:
    """The meta page in ``page`` (its first 152 bytes or more), or None where it is none."""
    end = PAGE_HEADER_BYTES + _META_START.size + 2 * _TREE.size
    if len(page) < end + _META_END.size:
        return None
    flags = PAGE_HEADER.unpack_from(page)[2]
    magic, version, _address, _map_bytes = _META_START.unpack_from(page, PAGE_HEADER_BYTES)
    if magic != _MAGIC or version != _VERSION or not flags & PAGE_META:
        return None
    trees = PAGE_HEADER_BYTES + _META_START.size
    # The free list's descriptor keeps the page size where others keep a pad.
    (page_bytes,) = struct.unpack_from("<I", page, trees)
    last_page, transaction = _META_END.unpack_from(page, end)
    if not 512 <= page_bytes <= 65536 or page_bytes & (page_bytes - 1):
        return None
    return Meta(
        page_bytes,
        parse_tree(page[trees : trees + _TREE.size]),
        parse_tree(page[trees + _TREE.size : end]),
        last_page,
        transaction,
    )


def parse_tree(descriptor: bytes) -> Tree:
    """The 48 bytes that describe a tree; raises StoreFormatError for any other size or depth."""
    if len(descriptor) != _TREE.size:
        raise StoreFormatError(f"expected a tree's 48 bytes, found {len(descriptor)}")
    _pad, flags, depth, branches, leaves, _overflow, entries, root = _TREE.unpack(descriptor)
    if depth > _MAX_DEPTH:
        raise StoreFormatError(f"expected a tree at most {_MAX_DEPTH} pages deep, found {depth}")
    return Tree(flags, depth, branches, leaves, entries, root)


def page_kind(page: bytes, number: int) -> int:
    """PAGE_BRANCH or PAGE_LEAF; anything else, or another page's number, is damage."""
    found, _pad, flags, lower, upper = _PAGE_BOUNDS.unpack_from(page)
    kind = flags & _PAGE_KINDS
    bounds_fit = PAGE_HEADER_BYTES <= lower <= upper <= len(page) and lower % 2 == 0
    if found != number or kind not in (PAGE_BRANCH, PAGE_LEAF) or not bounds_fit:
        raise StoreFormatError(
            f"page {number}: expected a branch or leaf of that number, found number {found}, "
            f"flags {flags:#x}, bounds {lower}..{upper}"
        )
    return int(kind)


def overflow_pages(value_bytes: int, page_bytes: int) -> int:
    """Pages of their own that a value of that size takes."""
    return -(-(value_bytes + PAGE_HEADER_BYTES) // page_bytes)


def _pointers(page: bytes) -> tuple[int, ...]:
    lower = _PAGE_BOUNDS.unpack_from(page)[3]
    count = (lower - PAGE_HEADER_BYTES) // 2
    return struct.unpack_from(f"<{count}H", page, PAGE_HEADER_BYTES)


def _node(page: bytes, number: int, pointer: int) -> tuple[int, int, int, int]:
    """``(low, high, flags, payload)`` of the node at ``pointer``."""
    if PAGE_HEADER_BYTES <= pointer <= len(page) - _NODE_HEADER_BYTES:
        low, high, flags, key_bytes = _NODE_HEADER.unpack_from(page, pointer)
        payload = pointer + _NODE_HEADER_BYTES + key_bytes
        if payload <= len(page):
            return low, high, flags, payload
    raise StoreFormatError(f"page {number}: an entry at {pointer} leaves the page")


def branch_children(page: bytes, number: int) -> list[tuple[bytes, int]]:
    """``(least key, page number)`` of each child of a branch; the first key is always empty."""
    children: list[tuple[bytes, int]] = []
    for pointer in _pointers(page):
        low, high, flags, payload = _node(page, number, pointer)
        key = page[pointer + _NODE_HEADER_BYTES : payload]
        children.append((key if children else b"", low | high << 16 | flags << 32))
    if not children:
        raise StoreFormatError(f"page {number}: a branch without children")
    return children


def leaf_nodes(page: bytes, number: int) -> list[Node]:
    """A leaf's entries, in order."""
    nodes = []
    for pointer in _pointers(page):
        low, high, flags, payload = _node(page, number, pointer)
        value_bytes = low | high << 16
        inside_bytes = _PAGE_NUMBER.size if flags & NODE_BIG_DATA else value_bytes
        if flags & ~(NODE_BIG_DATA | NODE_SUB_TREE) or payload + inside_bytes > len(page):
            raise StoreFormatError(f"page {number}: the value at {payload} leaves the page")
        key = page[pointer + _NODE_HEADER_BYTES : payload]
        nodes.append(Node(key, flags, value_bytes, payload))
    return nodes


def integer_leaf(page: bytes, number: int) -> IntegerLeaf:
    """The same for a tree of 8-byte integer keys, without a Python object an entry."""
    lower = _PAGE_BOUNDS.unpack_from(page)[3]
    count = (lower - PAGE_HEADER_BYTES) // 2
    words = np.frombuffer(page, "<u2")
    pointers = words[8 : 8 + count].astype(np.uint64)
    header_end = pointers + (_NODE_HEADER_BYTES + _KEY_BYTES)
    if np.any(pointers % 2 != 0) or np.any(header_end > len(page)):
        raise StoreFormatError(f"page {number}: an entry leaves the page")
    at = pointers // 2
    flags, key_bytes = words[at + 2], words[at + 3]
    value_bytes = words[at].astype(np.uint64) | words[at + 1].astype(np.uint64) << np.uint64(16)
    big = flags == NODE_BIG_DATA
    inside_bytes = np.where(big, np.uint64(_PAGE_NUMBER.size), value_bytes)
    if (
        np.any(key_bytes != _KEY_BYTES)
        or np.any((flags != 0) & ~big)
        or np.any(header_end + inside_bytes > len(page))
    ):
        raise StoreFormatError(f"page {number}: expected entries with 8-byte keys inside the page")
    big_pages = np.zeros(count, np.uint64)
    big_pages[big] = _quads(words, at[big] + 8)
    return IntegerLeaf(_quads(words, at + 4), value_bytes, header_end, big, big_pages)


def _quads(words: NDArray[np.uint16], at: NDArray[np.uint64]) -> NDArray[np.uint64]:
    quads = np.zeros(len(at), np.uint64)
    for part in range(4):
        quads |= words[at + part].astype(np.uint64) << np.uint64(16 * part)
    return quads
