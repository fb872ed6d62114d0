"""The photos that a YOLO data set's folders and lists name, in the clients' order."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import shown
from fastload.convert.names import is_path, outside_name
from fastload.convert.sources.base import SourceItem
from fastload.convert.sources.place import Place, SourceFile
from fastload.convert.walk import FolderWalk

__all__ = ["SplitListing"]


class SplitListing:
    """Lists the photos of one split.

    Args:
        place: the data set.
        split: the split's id.
        origin: what names the folders and lists, for messages.

    Attributes:
        findings: what there is to say.
        lists: the list files that were read.
    """

    def __init__(self, place: Place, split: int, origin: str) -> None:
        self._place = place
        self._split = split
        self._origin = origin
        self._found: dict[str, SourceItem] = {}  # by absolute path
        self.findings: list[Finding] = []
        self.lists: list[SourceFile] = []

    def add(self, entry: str, bases: Iterable[str]) -> None:
        """A folder or a list file, relative to the first of ``bases`` in which it is.

        Like the clients, also looks for "../x" as "x": exported data sets are often so.
        """
        for base in bases:
            for form in (entry, entry[3:] if entry.startswith("../") else entry):
                path = os.path.normpath(os.path.join(base, form))
                if not os.path.exists(path):
                    continue
                if self._place.boundary.name(path) is None and not self._place.follow_links:
                    self._problem(self._origin, "path-out", f"{entry!a} leads out of the data set "
                                  f"to {path!a}; --follow-links follows it")  # fmt: skip
                elif os.path.isdir(path):
                    self._add_folder(path)
                else:
                    self._add_list(path)
                return
        self._problem(self._origin, "missing", f"{entry!a} is neither a folder nor a list file")

    def items(self) -> list[SourceItem]:
        """The photos, sorted by path as text."""
        return [self._found[path] for path in sorted(self._found)]

    def _add_folder(self, path: str) -> None:
        place = self._place
        name = place.boundary.name(path)
        if name is None:
            walk, start = FolderWalk(path, follow_links=True, extensions=place.extensions), ""
        else:
            walk, start = place.walk, "" if name == "." else name
        folders, _count = walk.folders(start, self.findings)
        for folder in folders:
            for found in walk.files(folder):
                if isinstance(found, Finding):
                    # Label files lie beside photos in some data sets.
                    if not found.name.lower().endswith(".txt"):
                        self.findings.append(found)
                elif any(part.startswith(".") for part in found[len(start) :].split("/")):
                    self._note(found, Severity.IGNORED, "hidden", "its path begins with a dot: "
                               "neither client would list it")  # fmt: skip
                else:
                    self._add_photo(os.path.join(walk.root, found), "")

    def _add_list(self, path: str) -> None:
        file = self._place.read(path)
        self.lists.append(file)
        folder = os.path.dirname(path)
        text = file[1].decode("utf-8-sig", "surrogateescape")
        for number, line in enumerate(text.splitlines(), start=1):
            entry, origin = line.strip(), f"{file[0]}, line {number}"
            if not entry:
                continue
            if entry != line and is_path(line) and os.path.lexists(self._listed(line, folder)):
                entry = line  # blanks around it are its name's, as the clients take them
            if not is_path(entry):
                self._problem(file[0], "unsafe-name", f"line {number}: no path: {shown(entry)}")
            elif not self._place.walk.is_image(entry):
                self._note(file[0], Severity.IGNORED, "other-file", f"line {number}: no image by "
                           f"its name: {entry[:80]!a}")  # fmt: skip
            else:
                self._add_photo(self._listed(entry, folder), origin)

    def _listed(self, entry: str, folder: str) -> str:
        """The path of a list's entry: relative to the list, or else to the data set."""
        path = os.path.normpath(os.path.join(folder, entry))
        if not os.path.isabs(entry) and not entry.startswith("./") and not os.path.lexists(path):
            other = os.path.normpath(os.path.join(self._place.root, entry))
            return other if os.path.lexists(other) else path
        return path

    def _add_photo(self, path: str, origin: str) -> None:
        name = self._place.boundary.name(path)
        if name is None and not self._place.follow_links:
            detail = f"{path!a} lies outside the data set; --follow-links follows it"
            self._problem(origin or self._origin, "path-out", detail)
            return
        if path in self._found:
            self._note(name or path, Severity.NOTE, "listed-twice",
                       f"{origin or self._origin}: packed once")  # fmt: skip
            return
        if name is None:
            item = SourceItem(outside_name(path), split=self._split, path=path,
                              origin=origin)  # fmt: skip
        else:
            item = SourceItem(name, split=self._split, origin=origin)
        self._found[path] = item

    def _problem(self, name: str, kind: str, detail: str) -> None:
        self._note(name, Severity.PROBLEM, kind, detail)

    def _note(self, name: str, severity: Severity, kind: str, detail: str) -> None:
        self.findings.append(Finding(name, severity, kind, detail))
