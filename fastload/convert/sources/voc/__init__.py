"""Layout ``voc``: JPEGImages, Annotations and ImageSets, as Pascal VOC has them."""

from __future__ import annotations

from fastload.convert.sources.voc.source import open_voc, probe_voc

__all__ = ["open_voc", "probe_voc"]
