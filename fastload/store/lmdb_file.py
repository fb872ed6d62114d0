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
from typing import NamedTuple

from fastload.errors import StoreFormatError
from fastload.store import lmdb_page as layout
from fastload.store.lmdb_page import Meta, Node, Tree

__all__ = ["Extent", "LmdbFile"]

_META_BYTES = 152
#: One pread never asks for more; Linux cuts longer ones short.
_READ_BYTES = 1 << 30
#: Where the second meta page may stand when the first does not say.
_PAGE_SIZES = (4096, 16384, 65536, 8192, 32768)


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

    Attributes:
        file_bytes: size of the file.
        page_bytes: size of a page.
        page_count: pages that may be reached: 0 .. page_count - 1.
        last_page: as the meta page says.
        free: the tree of free pages.
        main: the tree of named databases.

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
        self.free = meta.free
        self.main = meta.main
        self.page_count = min(self.last_page + 1, self.file_bytes // self.page_bytes)
        # What one transaction takes and frees is little beside the file.
        most_pages = 2 * self.page_count + 65536 if cut_at_end else self.page_count
        if self.last_page >= most_pages:
            raise self.damaged(
                f"expected {(self.last_page + 1) * self.page_bytes} bytes, found "
                f"{self.file_bytes}: the file was cut short, copy or pack it again"
            )

    def damaged(self, what: str) -> StoreFormatError:
        """The error to raise for damage."""
        return StoreFormatError(f"{self._where}: {what}")

    def _newest_meta(self) -> Meta:
        try:
            first = layout.parse_meta(self._pread(0, _META_BYTES))
            metas = [first] if first else []
            for page_bytes in [first.page_bytes] if first else _PAGE_SIZES:
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
        """The bytes there; StoreFormatError where they leave the file."""
        if extent.offset < 0 or extent.offset + extent.length > self.file_bytes:
            raise self.damaged(f"bytes {extent.offset} + {extent.length} leave the file")
        data = self._pread(extent.offset, extent.length)
        if len(data) != extent.length:
            raise self.damaged(
                f"expected {extent.length} bytes at {extent.offset}, found {len(data)}: "
                "the file was cut short while it was open"
            )
        return data

    def read_page(self, number: int, *, is_leaf: bool) -> bytes:
        """A tree's page, which must be a leaf or a branch as the tree's depth asks for."""
        if not 2 <= number < self.page_count:
            raise self.damaged(f"expected a page number of 2..{self.page_count - 1}: {number}")
        page = self.read(Extent(number * self.page_bytes, self.page_bytes))
        try:
            found_leaf = layout.page_kind(page, number) == layout.PAGE_LEAF
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error
        if found_leaf != is_leaf:
            raise self.damaged(
                f"page {number}: expected {'a leaf' if is_leaf else 'a branch'} at this depth"
            )
        return page

    def read_nodes(self, page: bytes, number: int) -> list[Node]:
        """A leaf's entries."""
        try:
            return layout.leaf_nodes(page, number)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error

    def read_children(self, page: bytes, number: int) -> list[tuple[bytes, int]]:
        """``(least key, page number)`` of a branch's children."""
        try:
            return layout.branch_children(page, number)
        except StoreFormatError as error:
            raise self.damaged(str(error)) from error

    def tree(self, name: bytes) -> Tree | None:
        """The named database, or None."""
        found = self._find(self.main, name)
        if found is None:
            return None
        node, page, _number = found
        if node.flags != layout.NODE_SUB_TREE:
            raise self.damaged(f"expected a database under {name!r}, found a value")
        try:
            return layout.parse_tree(page[node.payload : node.payload + node.value_bytes])
        except StoreFormatError as error:
            raise self.damaged(f"database {name!r}: {error}") from error

    def get(self, tree: Tree, key: bytes) -> Extent | None:
        """Where the value of a byte-string key stands, or None."""
        found = self._find(tree, key)
        return None if found is None else self.extent(*found)

    def _find(self, tree: Tree, key: bytes) -> tuple[Node, bytes, int] | None:
        if tree.root == layout.NO_PAGE:
            return None
        number = tree.root
        for _level in range(1, tree.depth):
            children = self.read_children(self.read_page(number, is_leaf=False), number)
            least_keys = [least for least, _child in children]
            number = children[max(0, bisect_right(least_keys, key) - 1)][1]
        page = self.read_page(number, is_leaf=True)
        for node in self.read_nodes(page, number):
            if node.key == key:
                return node, page, number
        return None

    def extent(self, node: Node, page: bytes, number: int) -> Extent:
        """Where a leaf entry's value stands; an overflow page's own header is checked."""
        if not node.flags & layout.NODE_BIG_DATA:
            return Extent(number * self.page_bytes + node.payload, node.value_bytes)
        first = int.from_bytes(page[node.payload : node.payload + 8], "little")
        needed = layout.overflow_pages(node.value_bytes, self.page_bytes)
        if not 2 <= first <= self.page_count - needed:
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
