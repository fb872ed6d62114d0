"""Photos by the paths that a list or a table has for them."""

from __future__ import annotations

import os
from dataclasses import replace

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import shown
from fastload.convert.names import is_path, outside_name
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.place import Place

__all__ = ["NamedPhotos"]


class NamedPhotos:
    """Makes items of paths: relative to the data set, or absolute and within it.

    Paths out of it are problems, unless links are followed: then the photo goes by its absolute
    path.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def item(self, text: object, origin: str) -> SourceItem | Finding:
        """The photo of that path; or the problem with it."""
        if not isinstance(text, str) or not is_path(text):
            return Finding(origin, Severity.PROBLEM, "unsafe-name", f"no path: {shown(text)}")
        path = os.path.normpath(os.path.join(self._place.root, text))
        name = self._place.boundary.name(path)
        if name == ".":
            return Finding(origin, Severity.PROBLEM, "unsafe-name", f"no path: {shown(text)}")
        if name is not None:
            return SourceItem(name, origin=origin)
        if self._place.follow_links:
            return replace(SourceItem(outside_name(path), origin=origin), path=path)
        return Finding(
            origin, Severity.PROBLEM, "path-out",
            f"{path!a} lies outside the data set; --follow-links follows it",
        )  # fmt: skip
