"""A bounded reader of LMDB's classic file format.

Note [reading without liblmdb]: liblmdb maps the file and follows every page number in it, so a
damaged number, or a file cut short, kills the process with SIGBUS or SIGSEGV; it also allows a
file to be open only once a process, and not across a fork. Published stores never change, so all
that reading needs is this walk: by ``pread``, with every page number, offset, size and depth
checked against the file. Tested in tests/store/test_lmdb_file.py against files that liblmdb wrote.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastload.errors import StoreFormatError
from fastload.store import lmdb_page as layout
from fastload.store.lmdb_page import Meta, Node, Tree

__all__ = ["Extent", "LmdbFile"]

_META_BYTES = 152
#: One pread never asks for more; Linux cuts longer ones short.
_READ_BYTES = 1 << 30


class Extent(NamedTuple):
    """Where a value stands in the file."""

    offset: int
    length: int


class LmdbFile:
    """The newest committed state of an LMDB file that is open as ``descriptor``.

    Args:
        descriptor: stays the caller's.
        where: the file's name for messages.
        cut_at_end: the last page may lie behind the file's end (liblmdb does not write pages that
            were taken and freed in one transaction); those reached must not.

    Raises:
        StoreFormatError: no LMDB file, one of another version, or cut short.
    """

    def __init__(self, descriptor: int, where: str, *, cut_at_end: bool = False) -> None:
        self._descriptor = descriptor
        self._where = where
        self.file_bytes = os.fstat(descriptor).st_size
        meta = self._newest_meta()
        self.page_bytes = meta.page_bytes
        self.last_page = meta.last_page
        self.transaction = meta.transaction
        self.free = meta.free
        self.main = meta.main
        self._whole_pages = self.file_bytes // self.page_bytes
        if self.last_page >= self._whole_pages:
            if not cut_at_end:
                raise self.damaged(
                    f"expected {(self.last_page + 1) * self.page_bytes} bytes, found "
                    f"{self.file_bytes}: the file was cut short, copy or pack it again"
                )
        else:
            self._whole_pages = self.last_page + 1

    def damaged(self, what: str) -> StoreFormatError:
        """The error to raise for damage."""
        return StoreFormatError(f"{self._where}: {what}")

    def _newest_meta(self) -> Meta:
        try:
            first = layout.parse_meta(self._pread(0, _META_BYTES))
            # A second meta page of another size cannot belong to the first.
            sizes = [first.page_bytes] if first else [4096, 16384, 65536, 8192, 32768]
            metas = [first] if first else []
            for page_bytes in sizes:
                second = layout.parse_meta(self._pread(page_bytes, _META_BYTES))
                if second is not None and second.page_bytes == page_bytes:
                    metas.append(second)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error
        if not metas:
            raise self.damaged(
                "expected a store, which begins with LMDB's two meta pages, found neither: "
                "another kind of file, or its beginning is damaged"
            )
        return max(metas, key=lambda meta: meta.transaction)

    def _pread(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes; fewer at the file's end."""
        data = os.pread(self._descriptor, min(length, _READ_BYTES), offset)
        if len(data) == length or not data:
            return data
        parts = [data]
        done = len(data)
        while done < length:
            data = os.pread(self._descriptor, min(length - done, _READ_BYTES), offset + done)
            if not data:
                break
            parts.append(data)
            done += len(data)
        return b"".join(parts)

    def read(self, extent: Extent) -> bytes:
        """A value's bytes; StoreFormatError where it leaves the file."""
        if extent.offset < 0 or extent.offset + extent.length > self.file_bytes:
            raise self.damaged(f"bytes {extent.offset} + {extent.length} leave the file")
        data = self._pread(extent.offset, extent.length)
        if len(data) != extent.length:
            raise self.damaged(
                f"expected {extent.length} bytes at {extent.offset}, found {len(data)}: "
                "the file was cut short while it was open"
            )
        return data

    def tree(self, name: bytes) -> Tree | None:
        """The named database, or None."""
        node = self._find(self.main, name)
        if node is None:
            return None
        found, page, _number = node
        if not found.flags & layout.NODE_SUB_TREE or found.flags & layout.NODE_BIG_DATA:
            raise self.damaged(f"expected a database under {name!r}, found a value")
        try:
            return layout.parse_tree(page[found.payload : found.payload + found.value_bytes])
        except StoreFormatError as error:
            raise self.damaged(f"database {name!r}: {error}") from error

    def get(self, tree: Tree, key: bytes) -> Extent | None:
        """Where the value of a byte-string key stands, or None."""
        found = self._find(tree, key)
        return None if found is None else self._extent(*found)

    def items(
        self, tree: Tree, prefix: bytes = b"", *, integer_keys: bool = False
    ) -> Iterator[tuple[bytes, Extent]]:
        """Entries whose byte-string keys begin with ``prefix``, in order; values are not read.

        Pages that cannot hold such keys are passed over; overflow pages' headers are checked, and
        the keys' order, except that of ``integer_keys``.
        """
        previous: bytes | None = None
        for number, page in self._leaves(tree, prefix):
            for node in self._leaf_nodes(page, number):
                if previous is not None and node.key <= previous and not integer_keys:
                    raise self.damaged(f"page {number}: keys out of order")
                previous = node.key
                if node.key.startswith(prefix):
                    yield node.key, self._extent(node, page, number)

    def integer_extents(
        self, tree: Tree
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]:
        """``(keys, offsets, lengths)`` of a tree with integer keys, each uint64 [entries].

        All lie inside the file. Overflow pages' own headers are not read: the values checked by
        this walk are records, and a record names itself.
        """
        if tree.entries > self.file_bytes // 2:
            raise self.damaged(f"{tree.entries} entries cannot stand in {self.file_bytes} bytes")
        keys = np.empty(tree.entries, np.uint64)
        offsets = np.empty(tree.entries, np.uint64)
        lengths = np.empty(tree.entries, np.uint64)
        done = 0
        for number, page in self._leaves(tree):
            try:
                leaf = layout.integer_leaf(page, number)
            except StoreFormatError as error:
                raise self.damaged(str(error)) from error
            end = done + len(leaf.keys)
            if end > tree.entries:
                raise self.damaged(f"more than the {tree.entries} entries claimed")
            header_bytes = np.uint64(layout.PAGE_HEADER_BYTES)
            last = leaf.big_pages + (leaf.value_bytes + header_bytes - np.uint64(1)) // np.uint64(
                self.page_bytes
            )
            # The first comparison also keeps ``last`` from having wrapped around.
            outside = (leaf.big_pages >= self._whole_pages) | (last >= self._whole_pages)
            if np.any(leaf.big & outside):
                raise self.damaged(f"page {number}: a value leaves the file")
            keys[done:end] = leaf.keys
            lengths[done:end] = leaf.value_bytes
            offsets[done:end] = np.where(
                leaf.big,
                leaf.big_pages * np.uint64(self.page_bytes) + header_bytes,
                leaf.payloads + np.uint64(number * self.page_bytes),
            )
            done = end
        if done != tree.entries:
            raise self.damaged(f"expected {tree.entries} entries, found {done}")
        return keys, offsets, lengths

    def _page(self, number: int) -> bytes:
        if not 2 <= number < self._whole_pages:
            raise self.damaged(f"expected a page number of 2..{self._whole_pages - 1}: {number}")
        return self.read(Extent(number * self.page_bytes, self.page_bytes))

    def _kind(self, page: bytes, number: int) -> int:
        try:
            return layout.page_kind(page, number)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error

    def _leaf_nodes(self, page: bytes, number: int) -> list[Node]:
        try:
            return layout.leaf_nodes(page, number)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error

    def _children(self, page: bytes, number: int) -> list[tuple[bytes, int]]:
        try:
            return layout.branch_children(page, number)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error

    def _find(self, tree: Tree, key: bytes) -> tuple[Node, bytes, int] | None:
        if tree.root == layout.NO_PAGE:
            return None
        number = tree.root
        for level in range(1, tree.depth + 1):
            page = self._page(number)
            is_leaf = self._kind(page, number) == layout.PAGE_LEAF
            if is_leaf != (level == tree.depth):
                raise self.damaged(f"page {number}: expected the leaves at depth {tree.depth}")
            if is_leaf:
                for node in self._leaf_nodes(page, number):
                    if node.key == key:
                        return node, page, number
                return None
            children = self._children(page, number)
            least_keys = [least for least, _child in children]
            number = children[max(0, bisect_right(least_keys, key) - 1)][1]
        raise self.damaged("a tree with a root but without depth")

    def _leaves(self, tree: Tree, prefix: bytes = b"") -> Iterator[tuple[int, bytes]]:
        """``(number, page)`` of every leaf that may hold keys of that prefix, left to right."""
        if tree.root == layout.NO_PAGE:
            return
        # However the pages point at each other, a walk ends after as many as the file has.
        left = min(tree.branch_pages + tree.leaf_pages, self._whole_pages)
        stack = [(tree.root, 1)]
        while stack:
            number, level = stack.pop()
            left -= 1
            if left < 0:
                raise self.damaged("a tree with more pages than it claims")
            page = self._page(number)
            is_leaf = self._kind(page, number) == layout.PAGE_LEAF
            if is_leaf != (level == tree.depth):
                raise self.damaged(f"page {number}: expected the leaves at depth {tree.depth}")
            if is_leaf:
                yield number, page
            else:
                children = self._children(page, number)
                for place in reversed(range(len(children))):
                    least, child = children[place]
                    is_past = least[: len(prefix)] > prefix
                    is_before = place + 1 < len(children) and children[place + 1][0] <= prefix
                    if not prefix or not (is_past or is_before):
                        stack.append((child, level + 1))

    def _extent(self, node: Node, page: bytes, number: int) -> Extent:
        if not node.flags & layout.NODE_BIG_DATA:
            return Extent(number * self.page_bytes + node.payload, node.value_bytes)
        first = int.from_bytes(page[node.payload : node.payload + 8], "little")
        needed = -(-(node.value_bytes + layout.PAGE_HEADER_BYTES) // self.page_bytes)
        if not 2 <= first <= self._whole_pages - needed:
            raise self.damaged(f"page {number}: a value at page {first} leaves the file")
        start = first * self.page_bytes
        header = self.read(Extent(start, layout.PAGE_HEADER_BYTES))
        own, _pad, flags, pages = layout.PAGE_HEADER.unpack(header)
        if own != first or not flags & layout.PAGE_OVERFLOW or pages != needed:
            raise self.damaged(
                f"page {first}: expected {needed} overflow pages, "
                f"found number {own}, flags {flags:#x}, {pages} pages"
            )
        return Extent(start + layout.PAGE_HEADER_BYTES, node.value_bytes)
