"""Layout ``huggingface``: image sets as Hugging Face's ``datasets`` and its Hub keep them."""

from __future__ import annotations

from fastload.convert.sources.huggingface.source import open_huggingface, probe_huggingface

__all__ = ["open_huggingface", "probe_huggingface"]
