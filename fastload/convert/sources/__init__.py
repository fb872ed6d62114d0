"""Sources: what can be packed, one module a layout."""

from __future__ import annotations

from fastload.convert.sources.base import Source, SourceItem
from fastload.convert.sources.find import LAYOUTS, find_source

__all__ = ["LAYOUTS", "Source", "SourceItem", "find_source"]
