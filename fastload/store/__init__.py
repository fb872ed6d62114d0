"""Stores: a packed folder in one LMDB file, read without LMDB and written with it."""

from __future__ import annotations

from fastload.store.annotation_header import AnnotationHeader, AttachedFile
from fastload.store.annotations import Annotations
from fastload.store.attached import Attaching, attach
from fastload.store.columns import PHOTO_COLUMNS, ColumnSpec
from fastload.store.committed import CommittedSamples
from fastload.store.header import NO_CLASS, NO_SPLIT, StoreHeader, WriterHeader
from fastload.store.label_bundle import bundle
from fastload.store.label_rows import LabelRows
from fastload.store.labels import LabelFile, LabelState, Objects, SampleLabels
from fastload.store.names import Names
from fastload.store.partial import partial_path
from fastload.store.problem import Problem
from fastload.store.reader import Store
from fastload.store.writer import StoreWriter

__all__ = [
    "NO_CLASS",
    "NO_SPLIT",
    "PHOTO_COLUMNS",
    "AnnotationHeader",
    "Annotations",
    "AttachedFile",
    "Attaching",
    "ColumnSpec",
    "CommittedSamples",
    "LabelFile",
    "LabelRows",
    "LabelState",
    "Names",
    "Objects",
    "Problem",
    "SampleLabels",
    "Store",
    "StoreHeader",
    "StoreWriter",
    "WriterHeader",
    "attach",
    "bundle",
    "partial_path",
]
