"""The installed release, as its metadata has it: pyproject.toml is the only place that says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

__all__ = ["__version__"]

try:
    __version__ = version("fastload")
except PackageNotFoundError:  # a checkout that was never installed
    __version__ = "0+unknown"
