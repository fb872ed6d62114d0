"""Writing a store's labels in another layout than they came in, one module a layout."""

from __future__ import annotations

from fastload.convert.layouts.base import Converted, LayoutWriter
from fastload.convert.layouts.relayout import TARGET_LAYOUTS, Relayout

__all__ = ["TARGET_LAYOUTS", "Converted", "LayoutWriter", "Relayout"]
