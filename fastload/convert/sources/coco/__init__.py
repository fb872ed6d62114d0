"""Layout ``coco``: JSON files of images, annotations and categories."""

from __future__ import annotations

from fastload.convert.sources.coco.source import open_coco, probe_coco

__all__ = ["open_coco", "probe_coco"]
