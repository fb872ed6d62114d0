"""Walks over whole trees of an ``LmdbFile``; see its note on reading without liblmdb."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.store import lmdb_page as layout
from fastload.store.lmdb_file import Extent, LmdbFile
from fastload.store.lmdb_page import Tree

__all__ = ["IntegerExtents", "integer_extents", "items"]

#: Told of each page, or run of pages, that a walk comes through: first page, count.
Visitor = Callable[[int, int], None]


class IntegerExtents(NamedTuple):
    """Keys and places of a tree's values, uint64 [entries] each, in the order of the tree."""

    keys: NDArray[np.uint64]
    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]


def _no_visitor(_first: int, _count: int) -> None:
    pass


def items(
    file: LmdbFile,
    tree: Tree,
    prefix: bytes = b"",
    *,
    integer_keys: bool = False,
    visit: Visitor = _no_visitor,
) -> Iterator[tuple[bytes, Extent]]:
    """Entries whose keys begin with ``prefix``, in order; values are not read.

    Args:
        file: the file.
        tree: of it.
        prefix: pages that cannot hold keys of that prefix are passed over.
        integer_keys: keys are integers, whose order is not that of bytes and is not checked.
        visit: told of the pages that the walk comes through.

    Raises:
        StoreFormatError: the tree is damaged.
    """
    previous: bytes | None = None
    for number, page in _leaves(file, tree, prefix, visit):
        for node in file.read_nodes(page, number):
            if previous is not None and node.key <= previous and not integer_keys:
                raise file.damaged(f"page {number}: keys out of order")
            previous = node.key
            if node.key.startswith(prefix):
                extent = file.extent(node, page, number)
                if node.flags & layout.NODE_BIG_DATA:
                    pages = layout.overflow_pages(node.value_bytes, file.page_bytes)
                    visit(extent.offset // file.page_bytes, pages)
                yield node.key, extent


def integer_extents(file: LmdbFile, tree: Tree, *, visit: Visitor = _no_visitor) -> IntegerExtents:
    """Where the values of a tree with 8-byte integer keys stand.

    All lie inside the file. Overflow pages' own headers are not read: the values that this walk
    finds hold records, and a record names itself. ``visit`` hears of branches and leaves only.

    Raises:
        StoreFormatError: the tree is damaged.
    """
    # An entry takes 26 bytes of a leaf at least.
    if tree.entries > file.file_bytes // 26:
        raise file.damaged(f"{tree.entries} entries cannot stand in {file.file_bytes} bytes")
    keys = np.empty(tree.entries, np.uint64)
    offsets = np.empty(tree.entries, np.uint64)
    lengths = np.empty(tree.entries, np.uint64)
    page_bytes = np.uint64(file.page_bytes)
    header_bytes = np.uint64(layout.PAGE_HEADER_BYTES)
    done = 0
    for number, page in _leaves(file, tree, b"", visit):
        try:
            leaf = layout.integer_leaf(page, number)
        except StoreFormatError as error:
            raise file.damaged(str(error)) from error
        end = done + len(leaf.keys)
        if end > tree.entries:
            raise file.damaged(f"more than the {tree.entries} entries claimed")
        last = leaf.big_pages + (leaf.value_bytes + header_bytes - np.uint64(1)) // page_bytes
        # The first comparison also keeps ``last`` from having wrapped around.
        outside = (leaf.big_pages >= file.page_count) | (last >= file.page_count)
        if np.any(leaf.big & (outside | (leaf.big_pages < 2))):
            raise file.damaged(f"page {number}: a value leaves the file")
        keys[done:end] = leaf.keys
        lengths[done:end] = leaf.value_bytes
        offsets[done:end] = np.where(
            leaf.big,
            leaf.big_pages * page_bytes + header_bytes,
            leaf.payloads + np.uint64(number * file.page_bytes),
        )
        done = end
    if done != tree.entries:
        raise file.damaged(f"expected {tree.entries} entries, found {done}")
    return IntegerExtents(keys, offsets, lengths)


def _leaves(
    file: LmdbFile, tree: Tree, prefix: bytes, visit: Visitor
) -> Iterator[tuple[int, bytes]]:
    """``(number, page)`` of every leaf that may hold keys of that prefix, left to right."""
    if tree.root == layout.NO_PAGE:
        return
    # However the pages point at each other, a walk ends after as many as the file has.
    left = min(tree.branch_pages + tree.leaf_pages, file.page_count)
    stack = [(tree.root, 1)]
    while stack:
        number, level = stack.pop()
        left -= 1
        if left < 0:
            raise file.damaged("a tree with more pages than it claims")
        is_leaf = level >= tree.depth
        page = file.read_page(number, is_leaf=is_leaf)
        visit(number, 1)
        if is_leaf:
            yield number, page
            continue
        children = file.read_children(page, number)
        for place in reversed(range(len(children))):
            least, child = children[place]
            is_past = least[: len(prefix)] > prefix
            is_before = place + 1 < len(children) and children[place + 1][0] <= prefix
            if not prefix or not (is_past or is_before):
                stack.append((child, level + 1))
