"""One store's packing: from its source to the last commit, and its publishing."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace

from fastload.convert.budget import ByteBudget, GivenUpError, decode_limit_bytes
from fastload.convert.earlier import EarlierStore
from fastload.convert.files import FileBytes
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import Labelled, PhotoSize
from fastload.convert.names import printable
from fastload.convert.options import PackOptions
from fastload.convert.ordered import ordered
from fastload.convert.originals import original_columns
from fastload.convert.photo import PackedPhoto, PhotoPacker
from fastload.convert.progress import Progress, Throttled
from fastload.convert.reach import label_photo
from fastload.convert.resume import skip_committed
from fastload.convert.scaled_labels import scaled_labels
from fastload.convert.sources import Source, SourceItem
from fastload.errors import FastloadError, PackError
from fastload.store import Problem, StoreWriter

__all__ = ["PackJob", "photo_packer", "problem_of"]

# A group is lost when packing is killed, and costs an fsync when it is committed. Small ones leave
# less to be written when all photos are checked, and take memory that LMDB has had before.
GROUP_BYTES = 16 << 20
GROUP_SECONDS = 2.0
# Files read and records made that wait for their turn.
HELD_BYTES = 256 << 20
# Work goes on while a group is committed: a few hundred photos a core pass in that time.
WINDOW_A_WORKER = 128

Outcome = tuple[FileBytes, PackedPhoto, Labelled | None] | Finding


class PackJob:
    """Packs one source into one writer.

    Args:
        source: what to pack.
        writer: where to; it is left open.
        options: as given to ``pack``.
        on_finding: called with each finding, in order.
        earlier: the store that is to be replaced; what is in it is not packed again.
        others: stores of other splits that are replaced too; photos may come from there.
    """

    def __init__(
        self,
        source: Source,
        writer: StoreWriter,
        options: PackOptions,
        on_finding: Callable[[Finding], None],
        earlier: EarlierStore | None = None,
        others: Sequence[EarlierStore] = (),
    ) -> None:
        self._source = source
        self.writer = writer
        self._options = options
        self._on_finding = on_finding
        self._earlier = earlier
        self._all_earlier = [] if earlier is None else [earlier, *others]
        self._held = ByteBudget(HELD_BYTES)
        self._decoding = ByteBudget(decode_limit_bytes())
        self._packer = photo_packer(options, self._decoding)
        self._keeps_originals = bool(original_columns(options.content()))
        self._position = writer.committed_position
        self._is_between = True  # two items: the position counts all that the writer was given
        self._committed_at = time.monotonic()
        #: Photos packed by this job, and their bytes; not those of an earlier run.
        self.photos = 0
        self.source_bytes = 0

    def run(self, progress: Progress) -> bool:
        """Pack all that is not packed yet, and commit it.

        Returns:
            False where an earlier run was interrupted while it published: nothing is left to pack,
            and the source was not looked at.

        Interrupted by Ctrl-C (any KeyboardInterrupt), what is packed so far is committed, unless
        that is in the midst of an item: then the last commit counts.

        Raises:
            ResumeError: the source is not as it was when packing began.
            NoSpaceError, PackError: the store cannot be written.
        """
        if self.writer.publishing:
            return False
        items = self._source.items()
        # Told only when all fits: a caller may begin anew where it does not.
        for finding in list(skip_committed(self.writer, self._source, items, self._problem_of)):
            self._on_finding(finding)
        progress.start("packing", self._source.photo_count, self._position)
        throttled = Throttled(progress)
        try:
            self._pack(items, throttled)
        except KeyboardInterrupt:
            if self._is_between:
                with suppress(FastloadError):
                    self.writer.commit(self._position)
            raise
        self.writer.commit(self._position)
        throttled.flush()
        return True

    def _pack(self, items: Iterator[SourceItem | Finding], progress: Throttled) -> None:
        workers = self._options.worker_count
        results = ordered(
            self._work,
            items,
            workers=workers,
            window=workers * WINDOW_A_WORKER,
            cancel=self._cancel,
        )
        for ticket, (item, outcome) in enumerate(results):
            file_bytes = held_bytes = 0
            self._is_between = False
            if isinstance(outcome, Finding):
                self._on_finding(outcome)
                if outcome.severity is Severity.PROBLEM:
                    self.writer.report(Problem(outcome.name, outcome.detail, outcome.kind))
                    self._position += 1
            elif isinstance(item, SourceItem):
                file_bytes, held_bytes = len(outcome[0].data), _held_bytes(*outcome)
                self._append(item, *outcome)
                self._position += 1
            self._is_between = True
            del outcome
            self._held.release(held_bytes, next_ticket=ticket + 1)
            progress.advance(isinstance(item, SourceItem), file_bytes)
            self._commit_if_due()

    def _append(
        self, item: SourceItem, file: FileBytes, photo: PackedPhoto, labelled: Labelled | None
    ) -> None:
        self.writer.append(
            photo.record,
            name=item.name,
            class_id=item.class_id,
            split=item.split,
            format=photo.format,
            source_mtime_ns=file.mtime_ns,
            source_mode=stat.S_IFREG | file.mode,
            content_hash=photo.content_hash,
            warnings=photo.warnings,
            labels=None if labelled is None else labelled.labels,
            extra=photo.original.columns() if self._keeps_originals else None,
            encoded=photo.encoded,
        )
        if photo.encoded is None:
            self.photos += 1
            self.source_bytes += len(file.data)
        for finding in () if labelled is None else labelled.findings:
            self._on_finding(finding)
            if finding.severity is Severity.PROBLEM:
                self.writer.report(Problem(finding.name, finding.detail, finding.kind))
        if file.reread:
            self._on_finding(
                Finding(
                    item.name,
                    Severity.NOTE,
                    "reread",
                    "it changed while it was read; the second reading is kept",
                )
            )

    def _commit_if_due(self) -> None:
        due = time.monotonic() - self._committed_at >= GROUP_SECONDS
        if due or self.writer.group_bytes >= GROUP_BYTES:
            self.writer.commit(self._position)
            self._committed_at = time.monotonic()

    def _work(self, ticket: int, item: SourceItem | Finding) -> Outcome:
        """Runs in a worker thread. What it holds of the budget, ``_pack`` releases."""
        if isinstance(item, Finding):
            return item
        held = 0

        def admit(size: int) -> None:
            nonlocal held
            self._held.acquire(2 * size, ticket)  # the file and the record made of it
            held = 2 * size

        try:
            kept = self._unchanged(item)
            if kept is not None:
                file, photo = kept
            else:
                file = self._source.read(item, self._options.max_file_bytes, admit)
                photo = self._photo(file.data)
            labelled = self._label(item, photo)
        except RefusedError as refused:
            self._held.release(held)
            return refused.finding(item.name)
        except (GivenUpError, MemoryError):
            raise
        except Exception as error:  # a bug; say at least which file leads to it
            where = printable(item.name)
            raise PackError(
                f"{where}: {type(error).__name__}: {error}; this is a bug in "
                "fastload: please report it with that file"
            ) from error
        # Held already; those behind wait until there is room for what was not admitted.
        more = _held_bytes(file, photo, labelled) - held
        if more > 0:
            self._held.acquire(more, ticket)
        elif more < 0:
            self._held.release(-more)
        return file, photo, labelled

    def _unchanged(self, item: SourceItem) -> tuple[FileBytes, PackedPhoto] | None:
        """The photo from the earlier store, where its file need not be read."""
        if self._earlier is None or self._options.checksum:
            return None
        status = self._source.status(item)
        fits = 0 < status[0] <= self._options.max_file_bytes
        return self._earlier.unchanged(item.name, status) if fits else None

    def _photo(self, data: bytes) -> PackedPhoto:
        for store in self._all_earlier:
            kept = store.same(data)
            if kept is not None:
                return kept
        return self._packer.pack(data)

    def _label(self, item: SourceItem, photo: PackedPhoto) -> Labelled | None:
        """What the source says, in pixels of the record."""
        record, original = photo.record, photo.original
        before = PhotoSize(original.height, original.width, record.orientation)
        labelled = label_photo(self._source, item, before)
        if labelled is None:
            return None
        after = PhotoSize(record.height, record.width, record.orientation)
        return replace(labelled, labels=scaled_labels(labelled.labels, before, after))

    def _problem_of(self, item: SourceItem) -> Finding | None:
        return problem_of(self._source, item, self._packer, self._options.max_file_bytes)

    def _cancel(self) -> None:
        self._held.cancel()
        self._decoding.cancel()


def photo_packer(options: PackOptions, decode_budget: ByteBudget | None = None) -> PhotoPacker:
    """What makes records as ``options`` ask for."""
    return PhotoPacker(
        tile=options.tile != "never",
        max_side=options.max_side,
        quality=options.quality,
        raw=options.format == "raw",
        decode_budget=decode_budget,
    )


def problem_of(
    source: Source, item: SourceItem, packer: PhotoPacker, max_file_bytes: int
) -> Finding | None:
    """Why a photo cannot be packed, or None where it can."""
    try:
        packer.pack(source.read(item, max_file_bytes).data)
    except RefusedError as refused:
        return refused.finding(item.name)
    return None


def _held_bytes(file: FileBytes, photo: PackedPhoto, labelled: Labelled | None) -> int:
    """What a photo that waits for its turn holds: a number of four characters in its labels becomes
    one of 8 bytes.
    """
    text = None if labelled is None else labelled.labels.file
    labels = 0 if text is None else 4 * len(text.text)
    return len(file.data) + len(photo.record.head) + len(photo.record.body) + labels
