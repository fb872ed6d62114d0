"""Stores: a packed folder in one LMDB file, read without LMDB and written with it."""

from __future__ import annotations

from fastload.store.columns import PHOTO_COLUMNS, ColumnSpec
from fastload.store.header import NO_CLASS, NO_SPLIT, StoreHeader, WriterHeader
from fastload.store.names import Names
from fastload.store.partial import partial_path
from fastload.store.problem import Problem
from fastload.store.reader import Store
from fastload.store.writer import StoreWriter

__all__ = [
    "NO_CLASS",
    "NO_SPLIT",
    "PHOTO_COLUMNS",
    "ColumnSpec",
    "Names",
    "Problem",
    "Store",
    "StoreHeader",
    "StoreWriter",
    "WriterHeader",
    "partial_path",
]
