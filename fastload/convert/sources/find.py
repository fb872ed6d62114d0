"""Finding out which layout a data set has."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastload.convert.findings import Finding, Severity
from fastload.convert.names import IMAGE_EXTENSIONS, printable
from fastload.convert.sources.base import Source
from fastload.convert.sources.coco import open_coco, probe_coco
from fastload.convert.sources.flat import open_flat, probe_flat
from fastload.convert.sources.huggingface import open_huggingface, probe_huggingface
from fastload.convert.sources.imagefolder import open_imagefolder, probe_imagefolder
from fastload.convert.sources.place import Place
from fastload.convert.sources.plain_list import open_list, probe_list
from fastload.convert.sources.splits import open_splits, probe_splits
from fastload.convert.sources.table import open_table, probe_table
from fastload.convert.sources.voc import open_voc, probe_voc
from fastload.convert.sources.webdataset import is_pattern, open_webdataset, probe_webdataset
from fastload.convert.sources.yolo import open_yolo, probe_yolo
from fastload.errors import SourceError

__all__ = ["CONTAINERS", "LAYOUTS", "find_source"]

# In the order in which they are tried: the more particular first.
_LAYOUTS: dict[str, tuple[Callable[[Place], bool], Callable[[Place], Source]]] = {
    "yolo": (probe_yolo, open_yolo),
    "coco": (probe_coco, open_coco),
    "voc": (probe_voc, open_voc),
    "webdataset": (probe_webdataset, open_webdataset),
    "huggingface": (probe_huggingface, open_huggingface),
    "table": (probe_table, open_table),
    "list": (probe_list, open_list),
    "splits": (probe_splits, open_splits),
    "imagefolder": (probe_imagefolder, open_imagefolder),
    "flat": (probe_flat, open_flat),
}
#: What ``find_source`` takes as ``layout``.
LAYOUTS = ("auto", *_LAYOUTS)
#: Those whose photos are parts of larger files, and nothing besides these.
CONTAINERS = ("webdataset", "huggingface")
#: Those that a single file can stand for.
_FILE_LAYOUTS = ("yolo", "coco", "webdataset", "huggingface", "table", "list")


def find_source(
    path: str | os.PathLike[str],
    layout: str = "auto",
    *,
    follow_links: bool = False,
    extensions: tuple[str, ...] = (),
    profile: str = "ultralytics",
) -> Source:
    """The source in a folder, or the one that a file describes.

    Args:
        path: the folder with the photos, or the file that describes them: a YOLO yaml,
            a COCO JSON, a table, or a list of paths; or a tar, or a pattern of several, such as
            ``train-{000..099}.tar``.
        layout: one of ``LAYOUTS``; "auto" finds it out.
        follow_links: follow links and paths that lead out of the data set (links inside always
            are followed).
        extensions: endings, such as ".gif", to pack beside those that torchvision packs.
        profile: the client whose rules for doubtful YOLO labels count.

    Raises:
        SourceError: no data set, one that cannot be read, or one without photos.
        ValueError: no such layout.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout: expected one of {', '.join(LAYOUTS)}, found {layout!r}")
    absolute = os.path.abspath(os.fsdecode(path))
    endings = IMAGE_EXTENSIONS + tuple(_ending(text) for text in extensions)
    file = None if os.path.isdir(absolute) else absolute
    if file is not None and not os.path.isfile(file) and not is_pattern(file):
        found = "something else" if os.path.lexists(file) else "nothing"
        raise SourceError(f"{absolute}: expected a folder with photos, found {found}")
    root = os.path.dirname(absolute.partition("{")[0] if is_pattern(absolute) else absolute)
    place = Place(root if file else absolute, file, follow_links, endings, profile)
    try:
        source = _open(place, layout)
    except OSError as error:
        raise SourceError(
            f"{absolute}: cannot be listed ({error.strerror}); check its permissions"
        ) from error
    if source is None or not source.photo_count:
        raise SourceError(
            f"{absolute}: expected photos ({' '.join(endings)}) in class folders, in train/val/"
            "test folders, directly in it, or named by a file that describes a data set, found "
            "none; --layout names a layout, --follow-links follows links out of the folder"
            f"{_reasons(source)}"
        )
    return source


def _open(place: Place, layout: str) -> Source | None:
    names = [*_LAYOUTS] if place.file is None else [*_FILE_LAYOUTS]
    if layout != "auto":
        if layout not in names:
            raise SourceError(f"{place.file}: expected a folder for the layout {layout}")
        return _LAYOUTS[layout][1](place)
    for name in names:
        probe, opener = _LAYOUTS[name]
        if probe(place):
            return opener(place)
    if place.file is not None:
        raise SourceError(
            f"{place.file}: expected a folder with photos, a YOLO yaml, a COCO JSON, a tar, a "
            "table (.csv .tsv .jsonl .parquet) or a list (.txt), found none of them"
        )
    return None


def _reasons(source: Source | None) -> str:
    """What a source without a single photo has to say about that."""
    found = [] if source is None else [item for item in source.items() if isinstance(item, Finding)]
    problems = [finding for finding in found if finding.severity is Severity.PROBLEM]
    return "".join(f"; {printable(finding.name)}: {finding.detail}" for finding in problems[:3])


def _ending(text: str) -> str:
    return ("" if text.startswith(".") else ".") + text.lower()
