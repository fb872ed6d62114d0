"""Walking a source folder in torchvision's order, without leaving it or going round in circles."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from fastload.convert.files import file_type, sniff_file
from fastload.convert.findings import Finding, Severity
from fastload.convert.names import IMAGE_EXTENSIONS, NameCollisions, has_extension
from fastload.convert.sniff import SNIFF_BYTES, format_by_bytes, is_picture_format

__all__ = ["FolderWalk", "join"]

# A folder that many links lead to is walked once for each, as torchvision does. Folders that link
# to each other without a loop can make that grow without bound.
MAX_VISITS_BY_LINK = 64

# Companions of photos that are known to be no pictures; others are opened to see.
_PLAIN_EXTENSIONS = (
    ".txt", ".xml", ".json", ".csv", ".tsv", ".md", ".yaml", ".yml", ".toml", ".html", ".py",
    ".npy", ".npz", ".mat", ".pkl", ".pt", ".log", ".zip", ".gz", ".tar", ".tgz", ".sha256", ".md5",
    ".ds_store", ".lmdb",
)  # fmt: skip


def join(folder: str, name: str) -> str:
    """The relative path of ``name`` in ``folder``; ``""`` is the source's root."""
    return f"{folder}/{name}" if folder else name


@dataclass(frozen=True, slots=True)
class _Visit:
    """A folder on the way down: its path below the root, and where it really lies."""

    name: str
    real: str
    above: _Visit | None

    def inside(self, target: str) -> bool:
        """Whether ``target`` is this folder, or holds it or one of those on the way to it."""
        visit: _Visit | None = self
        while visit is not None:
            if visit.real == target or visit.real.startswith(target.rstrip("/") + "/"):
                return True
            visit = visit.above
        return False


class FolderWalk:
    """A source folder, seen as ``sorted(os.walk(folder, followlinks=True))`` sees it.

    Args:
        root: the source folder.
        follow_links: also follow links that lead out of ``root``.
        extensions: lower-case endings of the files to list.
    """

    def __init__(
        self,
        root: str,
        *,
        follow_links: bool = False,
        extensions: tuple[str, ...] = IMAGE_EXTENSIONS,
    ) -> None:
        self.root = root
        self.real_root = os.path.realpath(root)
        self.follow_links = follow_links
        self.extensions = extensions

    def is_image(self, name: str) -> bool:
        """Whether a file of this name is to be packed."""
        return has_extension(name, self.extensions)

    def subfolders(self, folder: str = "") -> list[str]:
        """Names of the folders (and links to folders) directly in ``folder``, sorted."""
        with os.scandir(os.path.join(self.root, folder)) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry))

    def listable_subfolders(self, folder: str = "") -> list[str]:
        """``subfolders``; none where the folder cannot be listed, for looking around."""
        try:
            return self.subfolders(folder)
        except OSError:
            return []

    def has_images(self, folder: str, *, recursive: bool = True) -> bool:
        """Whether any file in ``folder`` is to be packed; stops at the first."""
        waiting = [self._start(folder)] if self._may_start(folder, []) else []
        while waiting:
            visit = waiting.pop()
            below = []
            for entry in self._entries(visit.name, []):
                if _is_folder(entry):
                    below.append(entry)
                elif self.is_image(entry.name):
                    return True
            if recursive:
                waiting += self._enter(visit, below, Counter(), [])
        return False

    def folders(self, start: str, findings: list[Finding]) -> tuple[list[str], int]:
        """``start`` and all folders below, sorted as torchvision sorts them.

        What cannot be entered is added to ``findings``.

        Returns:
            the folders, relative to the root, and the number of images in them (those that turn
            out to be no regular files included).
        """
        found, image_count, visits = [], 0, Counter[str]()
        first = self._start(start)
        waiting = [first] if self._may_start(start, findings) else []
        while waiting:
            visit = waiting.pop()
            failures: list[Finding] = []
            below, entries = [], self._entries(visit.name, failures)
            findings += failures
            if not failures:
                found.append(visit.name)
            for entry in entries:
                if _is_folder(entry):
                    below.append(entry)
                else:
                    image_count += self.is_image(entry.name)
            waiting += self._enter(visit, below, visits, findings)
        found.sort()
        return found, image_count

    def files(self, folder: str) -> Iterator[str | Finding]:
        """The images directly in ``folder`` by name, sorted, mixed with what there is to say.

        A folder that ``folders`` has named, and that cannot be listed any more, is a problem.
        """
        collisions = NameCollisions()
        failures: list[Finding] = []
        entries = self._entries(folder, failures)
        yield from failures
        for entry in sorted(entries, key=lambda entry: entry.name):
            if _is_folder(entry):
                continue
            name = join(folder, entry.name)
            if not self.is_image(entry.name):
                yield self._ignored(name, entry)
                continue
            finding = self._refused(name, entry)
            if finding is not None:
                yield finding
                continue
            collision = collisions.check(entry.name)
            if collision is not None:
                yield collision_note(name, *collision)
            yield name

    def _start(self, folder: str) -> _Visit:
        above, path = _Visit("", self.real_root, None), ""
        for part in filter(None, folder.split("/")):
            path = join(path, part)
            above = _Visit(path, os.path.realpath(os.path.join(self.root, path)), above)
        return above

    def _may_start(self, start: str, findings: list[Finding]) -> bool:
        """Whether ``start`` may be walked: it may itself be a link."""
        parts = start.rpartition("/")
        if not start or not os.path.islink(os.path.join(self.root, start)):
            return True
        target = os.path.realpath(os.path.join(self.root, start))
        return self._may_enter(self._start(parts[0]), start, target, Counter(), findings)

    def _entries(self, folder: str, findings: list[Finding]) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(os.path.join(self.root, folder)) as entries:
                return list(entries)
        except OSError as error:
            findings.append(
                Finding(folder, Severity.PROBLEM, "unreadable", f"folder: {error.strerror}")
            )
            return []

    def _enter(
        self,
        visit: _Visit,
        entries: list[os.DirEntry[str]],
        visits: Counter[str],
        findings: list[Finding],
    ) -> Iterator[_Visit]:
        """Those of the folders ``entries`` that may be walked."""
        for entry in entries:
            name, real = join(visit.name, entry.name), os.path.join(visit.real, entry.name)
            if entry.is_symlink():
                real = os.path.realpath(os.path.join(self.root, name))
                if not self._may_enter(visit, name, real, visits, findings):
                    continue
            yield _Visit(name, real, visit)

    def _may_enter(
        self,
        above: _Visit,
        name: str,
        target: str,
        visits: Counter[str],
        findings: list[Finding],
    ) -> bool:
        if above.inside(target):
            findings.append(
                Finding(
                    name,
                    Severity.NOTE,
                    "link-loop",
                    f"it leads to {target}, which it lies in; not followed",
                )
            )
            return False
        if not self._allowed(target):
            findings.append(_link_out(name, target))
            return False
        visits[target] += 1
        if visits[target] > MAX_VISITS_BY_LINK:
            findings.append(
                Finding(
                    name,
                    Severity.PROBLEM,
                    "too-many-links",
                    f"more than {MAX_VISITS_BY_LINK} links lead to {target}; not followed",
                )
            )
            return False
        return True

    def _allowed(self, target: str) -> bool:
        inside = target == self.real_root or target.startswith(self.real_root.rstrip("/") + "/")
        return inside or self.follow_links

    def _refused(self, name: str, entry: os.DirEntry[str]) -> Finding | None:
        """The problem with an image file that must not be opened, or None."""
        if entry.is_file(follow_symlinks=False):
            return None
        path = os.path.join(self.root, name)
        if entry.is_symlink():
            try:
                target = os.path.realpath(path, strict=True)
            except OSError as error:
                return Finding(name, Severity.PROBLEM, "broken-link", f"{error.strerror}")
            if not self._allowed(target):
                return _link_out(name, target)
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            return Finding(name, Severity.PROBLEM, "unreadable", f"{error.strerror}")
        if stat.S_ISREG(mode):
            return None
        return Finding(
            name,
            Severity.PROBLEM,
            "special-file",
            f"expected a regular file, found {file_type(mode)}",
        )

    def _ignored(self, name: str, entry: os.DirEntry[str]) -> Finding:
        if entry.name.lower().endswith(_PLAIN_EXTENSIONS) or not entry.is_file(
            follow_symlinks=False
        ):
            return Finding(name, Severity.IGNORED, "other-file", "no image by its name")
        found = format_by_bytes(sniff_file(os.path.join(self.root, name), SNIFF_BYTES))
        if not is_picture_format(found):
            return Finding(name, Severity.IGNORED, "other-file", "no image by its name")
        return Finding(
            name, Severity.IGNORED, "hidden-picture",
            f"{found} by its bytes, but ImageFolder would not list it; "
            "--extension adds an ending to those that are packed",
        )  # fmt: skip


def collision_note(name: str, other: str, difference: str) -> Finding:
    """The note on two names that some file systems cannot hold beside each other."""
    return Finding(
        name, Severity.NOTE, "name-collision",
        f"differs from {other!a} only in {difference}: unpacking needs a file system that tells "
        "them apart",
    )  # fmt: skip


def _link_out(name: str, target: str) -> Finding:
    return Finding(
        name, Severity.PROBLEM, "link-out",
        f"it leads to {target!a}; --follow-links follows it",
    )  # fmt: skip


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
