"""A store that is half packed: what its partial file holds, and the two ways it goes on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastload.disk import disk_errors, fsync_folder
from fastload.errors import PackError, ResumeError, StoreFormatError
from fastload.store.group import Group
from fastload.store.lmdb_file import LmdbFile
from fastload.store.pack_file import PackFile
from fastload.store.pack_resume import read_progress, read_state
from fastload.store.pack_state import PackPlan, PackState
from fastload.store.partial import LockedFile
from fastload.store.publish import Publication

__all__ = ["PartialStore"]


class PartialStore:
    """The locked partial file of a store: it grows by groups, and is published once.

    Args:
        path: the partial file; made where it does not exist.
        plan: what is to be packed.
        files: the attached files, as stored, one behind the other.
        resume: go on with what is there; False: refuse where anything is.
        restart: throw away what is there.

    Attributes:
        plan: as it was begun: a resumed store keeps its id.
        state: as of the last commit.
        resumed: something was there.

    Raises:
        PackError, ResumeError, StoreFormatError, NoSpaceError: as ``StoreWriter`` says.
    """

    def __init__(
        self, path: Path, plan: PackPlan, files: bytes, *, resume: bool, restart: bool
    ) -> None:
        self.plan = plan
        self.state = PackState()
        self.resumed = False
        self._path = path
        self._is_complete = False
        self._label_bytes: dict[str, int] = {}
        self._lock = LockedFile(path)
        self._file = PackFile(self._lock)
        try:
            with disk_errors(path):
                if restart:
                    self._lock.truncate(0)
                self._resume_or_begin(files, resume)
        except BaseException:
            self.close()
            raise

    def _resume_or_begin(self, files: bytes, resume: bool) -> None:
        if self._lock.size_bytes() and not resume:
            raise PackError(f"{self._path}: a half-packed store exists; resume or restart")
        progress = read_progress(self._lock)
        if progress is None:
            self._lock.truncate(0)
            self._file.begin(self.plan.to_json(), self.state.to_json(), files)
            # So that a power loss cannot take the file's name while the packing goes on.
            fsync_folder(self._path.parent)
            return
        differences = progress.plan.differences(self.plan.header, self.plan.columns)
        if differences:
            raise ResumeError(
                f"{self._path}: was begun otherwise ({'; '.join(differences)}); repeat the "
                "command that began it, or start anew with --restart"
            )
        self.resumed = True
        self.plan, self.state = progress.plan, progress.state
        self._is_complete = progress.is_complete
        self._file.trim()
        self._label_bytes = self.publication().label_bytes()

    def publication(self) -> Publication:
        """What is committed, as it is now."""
        return Publication(self._lock, self._file, self.plan, self.state)

    def size_bytes(self) -> int:
        """Of the file."""
        return self._lock.size_bytes()

    def commit(self, group: Group, position: int) -> None:
        """Write the group, and clear it once it is on the disk; ``StoreWriter.commit`` says more.

        Raises:
            NoSpaceError, PackError: it was not written.
        """
        next_state = self.state.after(group, position)
        try:
            group.write(self._file, self.state.count, next_state, self._label_bytes)
        except BaseException as error:
            # A signal, or a failure to report: the group may be in the file all the same.
            if not self._is_committed(next_state):
                raise
            self._advance(group, next_state)
            if not isinstance(error, PackError):
                raise
        else:
            self._advance(group, next_state)

    def _advance(self, group: Group, state: PackState) -> None:
        """The group was committed."""
        self.state = state
        for name, added in group.label_bytes().items():
            self._label_bytes[name] = self._label_bytes.get(name, 0) + added
        group.clear()

    def _is_committed(self, state: PackState) -> bool:
        """Whether the file has that state, and will have it after a power loss."""
        self._file.close()
        try:
            file = LmdbFile(self._lock.descriptor, str(self._path), cut_at_end=True)
            if read_state(file, str(self._path)) != state:
                return False
            self._lock.sync()
        except (StoreFormatError, OSError):
            return False
        return True

    def publish(self, path: Path, check: Callable[[Path], object] | None = None) -> None:
        """Write what is missing of a store, and rename the file to ``path``.

        Args:
            path: the store's own name.
            check: called with the partial file, a whole store by then; what it raises keeps the
                store from being published.
        """
        publication = self.publication()
        if not self._is_complete:
            self.state = publication.write()
            self._is_complete = True
        publication.finish()
        if check is not None:
            check(self._path)
        publication.rename(path)

    def discard(self) -> None:
        """Delete the file."""
        self._path.unlink()

    def close(self) -> None:
        """Leave the file for a later writer. Idempotent."""
        self._file.close()
        self._lock.close()
