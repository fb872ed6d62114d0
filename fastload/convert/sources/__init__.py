"""Sources: what can be packed, one module a layout."""

from __future__ import annotations

from fastload.convert.sources.base import Source, SourceItem
from fastload.convert.sources.find import CONTAINERS, LAYOUTS, find_source
from fastload.convert.sources.yolo import PROFILES

__all__ = ["CONTAINERS", "LAYOUTS", "PROFILES", "Source", "SourceItem", "find_source"]
