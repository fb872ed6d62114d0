"""Validation batches that are made while training runs."""

from __future__ import annotations

from fastload.overlap.overlap import Overlap, overlap_validation

__all__ = ["Overlap", "overlap_validation"]
