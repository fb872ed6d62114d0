"""Layout ``table``: CSV, JSON Lines or Parquet with a row a photo, or a row an object."""

from __future__ import annotations

from fastload.convert.sources.table.source import open_table, probe_table

__all__ = ["open_table", "probe_table"]
