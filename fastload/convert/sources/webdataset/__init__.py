"""Layout ``webdataset``: tars whose members of the same key are a photo and what belongs to it."""

from __future__ import annotations

from fastload.convert.sources.webdataset.shards import expand, is_pattern
from fastload.convert.sources.webdataset.source import open_webdataset, probe_webdataset

__all__ = ["expand", "is_pattern", "open_webdataset", "probe_webdataset"]
