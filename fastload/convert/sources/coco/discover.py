"""Where COCO JSONs lie, and which of them make up a data set."""

from __future__ import annotations

import os
import re

from fastload.convert.files import sniff_file
from fastload.convert.findings import Finding, Severity

__all__ = ["annotation_files", "looks_like_coco", "split_of"]

_PROBE_BYTES = 1 << 20
#: Which file of a split is read where there are several; the others say nothing of boxes.
_KINDS = ("instances", "person_keypoints")
_OTHER_KINDS = ("captions", "image_info", "panoptic", "stuff")
_NAME = re.compile(rf"({'|'.join((*_KINDS, *_OTHER_KINDS))})_(.+)\.json", re.IGNORECASE)
#: In single quotes, it is what Python prints, and to be reported as no JSON.
_MEMBER = re.compile(rb"""(["'])(?:images|annotations|categories)\1""")
#: A file of this name describes the photos beside it.
_BESIDE = "_annotations.coco.json"


def looks_like_coco(path: str) -> bool:
    """Whether a file may be a COCO JSON, by its name or its beginning.

    One of a name that only they have is to be reported where it is broken, rather than passed over
    for what else the folder may be taken for.
    """
    if not path.lower().endswith(".json"):
        return False
    base = os.path.basename(path)
    if base == _BESIDE or base.lower().startswith(tuple(f"{kind}_" for kind in _KINDS)):
        return os.path.isfile(path)
    head = sniff_file(path, _PROBE_BYTES)
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and bool(_MEMBER.search(head))


def split_of(path: str) -> str:
    """The split that a file is named after: "val2017" for instances_val2017.json."""
    base = os.path.basename(path)
    found = _NAME.fullmatch(base)
    return found[2] if found else base.rpartition(".")[0]


def annotation_files(root: str, findings: list[Finding]) -> dict[str, str]:
    """Split -> JSON, found in a folder a split, in annotations/, or in the folder itself.

    The split is "" where the photos of a single file lie beside it. Files that are not read are
    added to ``findings``.
    """
    if os.path.isfile(os.path.join(root, _BESIDE)):
        return {"": os.path.join(root, _BESIDE)}
    below = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
    exports = [(name, os.path.join(root, name, _BESIDE)) for name in below]
    found = {name: path for name, path in exports if looks_like_coco(path)}
    return found or _in(root, "annotations", findings) or _in(root, "", findings)


def _in(root: str, folder: str, findings: list[Finding]) -> dict[str, str]:
    top = os.path.join(root, folder)
    try:
        names = sorted(os.listdir(top)) if os.path.isdir(top) else []
    except OSError:
        names = []
    ranked: dict[str, list[tuple[int, str]]] = {}
    for path in (os.path.join(top, name) for name in names):
        if looks_like_coco(path):
            match = _NAME.fullmatch(os.path.basename(path))
            kind = match[1].lower() if match else _KINDS[0]
            rank = (*_KINDS, *_OTHER_KINDS).index(kind)
            ranked.setdefault(split_of(path), []).append((rank, path))
    chosen = {}
    for split, files in ranked.items():
        files.sort()
        if files[0][0] < len(_KINDS):
            chosen[split] = files[0][1]
            findings += [_left_out(root, path, files[0][1]) for _, path in files[1:]]
    return chosen


def _left_out(root: str, path: str, other: str) -> Finding:
    return Finding(
        os.path.relpath(path, root), Severity.IGNORED, "other-annotations",
        f"of the same split as {os.path.basename(other)}, which is packed; name it to pack it",
    )  # fmt: skip
