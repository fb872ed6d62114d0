"""One of the stores that a store is split into."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastload.convert.copying import CopyPart, copy_parts, copy_state, publish_copy
from fastload.convert.further_columns import further_columns
from fastload.convert.progress import Progress
from fastload.errors import StoreError
from fastload.store import PHOTO_COLUMNS, Problem, Store, StoreWriter, WriterHeader, partial_path
from fastload.store.copy_records import RecordCopier
from fastload.version import __version__

__all__ = ["SplitPiece", "SplitStore"]


@dataclass(frozen=True, slots=True)
class SplitStore:
    """One of the stores that ``split`` makes.

    Attributes:
        name: of the split.
        path: the store's file.
        photos: samples in it.
        content_hash: as ``verify`` has it; "" where an earlier, interrupted run has made it.
    """

    name: str
    path: Path
    photos: int
    content_hash: str


class SplitPiece:
    """Makes one of the stores; begun for all before any is published.

    Args:
        store: where from.
        place: the split's id.
        split_names: of all splits.
        splits: each sample's split id, uint8 [N].
        path: where to.
        problems: what goes with it.
        divided: the splits are not the store's own, and so not those of its source.

    Attributes:
        path: as given.
    """

    def __init__(
        self,
        store: Store,
        place: int,
        split_names: tuple[str, ...],
        splits: NDArray[np.uint8],
        path: Path,
        problems: tuple[Problem, ...],
        divided: bool,
    ) -> None:
        self.path = path
        self._name = split_names[place]
        self._indices = np.flatnonzero(splits == place)
        state = copy_state([store], split_names, place, self._indices.tobytes())
        self._state = state
        header = store.header
        own = {field: getattr(header, field) for field in WriterHeader.__dataclass_fields__}
        options = {**header.options, "split": self._name, "copied_from": state}
        if divided:
            options["divided"] = True
        self._header = replace(
            WriterHeader(**own),
            split_names=split_names,
            created_by=f"fastload {__version__}",
            options=options,
        )
        self._columns, (extra,) = further_columns([store])
        copier = RecordCopier(store, self._header, splits=splits, extra=extra)
        self._parts = [CopyPart(copier, self._indices, problems)]
        has_files = header.annotations is not None and header.annotations.files
        self._files = store.column("files.bytes").tobytes() if has_files else b""
        self._writer: StoreWriter | None = None

    @property
    def is_made(self) -> bool:
        """An earlier run has made this very store."""
        if partial_path(self.path).exists() or not self.path.exists():
            return False
        try:
            with Store(self.path) as store:
                return store.header.options.get("copied_from") == self._state
        except (StoreError, OSError):
            return False

    def begin(self, restart: bool, overwrite: bool, stack: ExitStack) -> None:
        """Open the partial file, unless the store is made; ``stack`` closes it."""
        if restart or not self.is_made:
            self._writer = StoreWriter(
                self.path,
                self._header,
                columns=(*PHOTO_COLUMNS, *self._columns),
                files=self._files,
                restart=restart,
                overwrite=overwrite,
            )
            stack.enter_context(self._writer)

    def copy(self, progress: Progress) -> None:
        """Copy and commit what is not copied yet."""
        if self._writer is not None:
            copy_parts(self._writer, self._parts, progress)

    def publish(self, progress: Progress) -> SplitStore:
        """Compare, and give the store its name."""
        found = ""
        if self._writer is not None:
            found = publish_copy(self._writer, self._parts, progress)
        return SplitStore(self._name, self.path, len(self._indices), found)
