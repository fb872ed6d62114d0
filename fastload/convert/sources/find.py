"""Finding out which layout a folder has."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastload.convert.names import IMAGE_EXTENSIONS
from fastload.convert.sources.base import Source
from fastload.convert.sources.flat import open_flat, probe_flat
from fastload.convert.sources.imagefolder import open_imagefolder, probe_imagefolder
from fastload.convert.sources.splits import open_splits, probe_splits
from fastload.convert.walk import FolderWalk
from fastload.errors import SourceError

__all__ = ["LAYOUTS", "find_source"]

# In the order in which they are tried: the more particular first.
_LAYOUTS: dict[str, tuple[Callable[[FolderWalk], bool], Callable[[FolderWalk], Source]]] = {
    "splits": (probe_splits, open_splits),
    "imagefolder": (probe_imagefolder, open_imagefolder),
    "flat": (probe_flat, open_flat),
}
#: What ``find_source`` takes as ``layout``.
LAYOUTS = ("auto", *_LAYOUTS)


def find_source(
    folder: str | os.PathLike[str],
    layout: str = "auto",
    *,
    follow_links: bool = False,
    extensions: tuple[str, ...] = (),
) -> Source:
    """The source in ``folder``.

    Args:
        folder: the folder with the photos.
        layout: one of ``LAYOUTS``; "auto" finds it out.
        follow_links: follow links that lead out of ``folder`` (those inside always are followed).
        extensions: endings, such as ".gif", to pack beside those that torchvision packs.

    Raises:
        SourceError: no folder, a folder that cannot be read, or one without photos.
        ValueError: no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}")
    root = os.path.abspath(os.fsdecode(folder))
    if not os.path.isdir(root):
        found = "a file" if os.path.exists(root) else "nothing"
        raise SourceError(f"{root}: expected a folder with photos, found {found}")
    endings = IMAGE_EXTENSIONS + tuple(_ending(text) for text in extensions)
    walk = FolderWalk(root, follow_links=follow_links, extensions=endings)
    try:
        source = _open(walk, layout)
    except OSError as error:
        raise SourceError(
            f"{root}: cannot be listed ({error.strerror}); check its permissions"
        ) from error
    if source is None or not source.photo_count:
        raise SourceError(
            f"{root}: expected photos ({' '.join(endings)}) in class folders, in train/val/test "
            "folders or directly in it, found none; --layout names a layout, --follow-links "
            "follows links out of the folder"
        )
    return source


def _open(walk: FolderWalk, layout: str) -> Source | None:
    if layout != "auto":
        return _LAYOUTS[layout][1](walk)
    for probe, opener in _LAYOUTS.values():
        if probe(walk):
            return opener(walk)
    return None


def _ending(text: str) -> str:
    return ("" if text.startswith(".") else ".") + text.lower()
