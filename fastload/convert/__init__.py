"""Packing folders of photos into stores, and giving them back."""

from __future__ import annotations

from fastload.convert.duplicate_finder import duplicates
from fastload.convert.duplicate_report import DuplicateReport
from fastload.convert.findings import Finding, Severity
from fastload.convert.histogram_plot import plot_histograms
from fastload.convert.histograms import Histograms
from fastload.convert.inspector import Inspection, inspect
from fastload.convert.merger import MergeReport, merge
from fastload.convert.options import PackOptions
from fastload.convert.packer import pack
from fastload.convert.progress import Progress
from fastload.convert.shares import Sharding
from fastload.convert.sheet import ContactSheet, contact_sheet
from fastload.convert.splitter import SplitReport, split
from fastload.convert.summary import ProblemsFoundError, Summary
from fastload.convert.unpacker import UnpackReport, unpack
from fastload.convert.verifier import VerifyReport, verify

__all__ = [
    "ContactSheet",
    "DuplicateReport",
    "Finding",
    "Histograms",
    "Inspection",
    "MergeReport",
    "PackOptions",
    "ProblemsFoundError",
    "Progress",
    "Severity",
    "Sharding",
    "SplitReport",
    "Summary",
    "UnpackReport",
    "VerifyReport",
    "contact_sheet",
    "duplicates",
    "inspect",
    "merge",
    "pack",
    "plot_histograms",
    "split",
    "unpack",
    "verify",
]
