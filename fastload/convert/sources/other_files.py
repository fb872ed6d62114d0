"""Files of a data set that are neither photos nor anything that says something of them."""

from __future__ import annotations

from collections.abc import Container, Iterator

from fastload.convert.findings import Finding, Severity
from fastload.convert.sources.place import Place

__all__ = ["other_files"]


def other_files(place: Place, folder: str, known: Container[str]) -> Iterator[Finding]:
    """A finding for each file directly in a folder that is neither a photo nor ``known``.

    Class folders list theirs likewise; folders below are not entered.
    """
    for found in place.walk.files(folder):
        if isinstance(found, str) or found.severity is not Severity.IGNORED:
            continue
        if found.name not in known:
            yield found
