"""Photos that lie among those of a data set, and that its lists do not name."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from fastload.convert.findings import Finding, Severity
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.place import Place
from fastload.convert.walk import join

__all__ = ["unlisted_photos"]


def unlisted_photos(place: Place, entries: Sequence[SourceItem]) -> Iterator[Finding]:
    """A finding for each photo in a folder of listed ones that is not listed itself."""
    names = {item.name for item in entries}
    for folder in sorted({name.rpartition("/")[0] for name in names}):
        try:
            found = sorted(os.listdir(os.path.join(place.root, folder)))
        except OSError:
            continue  # its photos are missing, and reported so
        for base in found:
            name = join(folder, base)
            if place.walk.is_image(base) and name not in names:
                yield Finding(
                    name, Severity.IGNORED, "unlisted-photo", "the annotations do not name it"
                )
