"""Layout ``yolo``: a yaml or folders, and a text file of labels beside each photo."""

from __future__ import annotations

from fastload.convert.sources.yolo.label_text import PROFILES
from fastload.convert.sources.yolo.source import open_yolo, probe_yolo

__all__ = ["PROFILES", "open_yolo", "probe_yolo"]
