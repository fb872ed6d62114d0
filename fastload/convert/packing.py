"""One target of a packing: what is packed, and the store that it may replace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING

from fastload.convert.changes import Changes
from fastload.convert.current import findings_if_current
from fastload.convert.earlier import EarlierStore
from fastload.convert.findings import Finding
from fastload.convert.losses import Losses
from fastload.convert.options import PackOptions
from fastload.convert.progress import Progress
from fastload.convert.shard_publisher import are_there
from fastload.convert.summary import Contents, misnamed, problems_of, unlabelled
from fastload.convert.targets import Target
from fastload.errors import PackError, StoreError
from fastload.store import CommittedSamples, Store
from fastload.store.shards import ShardedStore

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Packing"]

#: Choices of which files are packed; all others are of what becomes of their bytes.
_CHOOSING = {"layout", "follow_links", "extensions", "max_file_bytes", "dedupe", "near"}
_CHOOSING |= {"split", "source_state", "copied_from", "divided"}


class Packing(ABC):
    """Packs one target. Begun for all targets before any is published.

    Args:
        target: where to and what.
        options: as given to ``pack``.
        note: called with each finding.

    Attributes:
        target: as given.
        earlier: with ``update``: the store that was there; None where there is none, or where
            nothing is to be done about it.
        changes: with ``update``: what became of the store that was there; after ``publish``.
        photos: packed in this run.
        source_bytes: of those.
        contents: what is in the store; after ``publish``.
        store_bytes: its size; of a dry run, about.
        shards: of how many it consists; 0 where it is one file.
        kept_shards: those of them that were there before.

    Raises:
        PackError: the store that is to be updated cannot be, or would lose photos that are not
            gone; or as ``StoreWriter`` says.
    """

    def __init__(
        self, target: Target, options: PackOptions, note: Callable[[Finding], None]
    ) -> None:
        self.target = target
        self.changes: Changes | None = None
        self.photos = self.source_bytes = self.store_bytes = 0
        self.shards = self.kept_shards = 0
        self.contents = Contents()
        self.earlier: EarlierStore | None = None
        self._options = options
        self._note = note
        self._header = target.header(options)
        self._listed = False
        self._stack = ExitStack()
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _begin(self) -> None:
        """What can fail of the destination should fail here, before anything is packed."""

    @property
    @abstractmethod
    def committed_count(self) -> int:
        """Photos as of the last commit, of this run or an earlier one."""

    @property
    @abstractmethod
    def is_empty(self) -> bool:
        """The source has files, and none of them could be packed."""

    @abstractmethod
    def run(self, progress: Progress, others: Sequence[EarlierStore] = ()) -> None:
        """Pack all that is not packed yet, and commit it; ``PackJob.run`` says what it raises.

        Args:
            progress: shown how far it is.
            others: the earlier stores of other targets.
        """

    @abstractmethod
    def discard(self) -> None:
        """Delete what is half packed."""

    @abstractmethod
    def publish(self) -> None:
        """Give the store its name, unless it is a dry run; and look at what is in it."""

    def _look_back(self, *, is_begun: bool = False) -> bool:
        """Open the store that is to be updated; whether nothing is to be done about it.

        ``is_begun``: there is a half-packed one, which is gone on with in any case.
        """
        target, options = self.target, self._options
        try:
            store = self._stack.enter_context(Store(target.path))
            self.shards = _shards_of(store)
            self._check_choices(store)
            self._mind_losses(store)
            if not options.checksum and not is_begun and _is_whole(store):
                found = findings_if_current(store, self._header, target.source, options)
                if found is not None:
                    for finding in found:
                        self._note(finding)
                    self._listed = True
                    self.changes = Changes(unchanged=len(store))
                    return True
            self.earlier = EarlierStore(store)
        except StoreError as error:
            raise PackError(f"{error}; it cannot be updated: --overwrite packs it anew") from error
        return False

    def _mind_losses(self, store: Store) -> None:
        root, follows_links = self.target.source.root, self._options.follow_links
        losses = Losses(store, root, follows_links=follows_links)
        losses.check_folders()
        self._note = losses.listener(self._note)

    def _check_choices(self, store: Store) -> None:
        before, now = dict(store.header.options), dict(self._header.options)
        before["tile_width"], now["tile_width"] = store.header.tile_width, self._header.tile_width
        differences = [
            f"{name} {before.get(name)!r}, now {now.get(name)!r}"
            for name in sorted((before.keys() | now.keys()) - _CHOOSING)
            if before.get(name) != now.get(name)
        ]
        if differences:
            raise PackError(
                f"{store.path}: was packed with other choices: {'; '.join(differences)}; update "
                "it with the same, or pack it anew with --overwrite"
            )

    def _count_changes(self, samples: Store | CommittedSamples) -> None:
        """With ``update``: compare what was packed with what was there."""
        if not self._options.update:
            return
        if self.earlier is None:
            self.changes = Changes.all_new(samples)
        else:
            self.changes = Changes.between(self.earlier.store, samples)

    def _look_at_published(self) -> None:
        with Store(self.target.path) as store:
            if not self._listed:  # its problems are news
                for finding in problems_of(store):
                    self._note(finding)
            self._tell(store)
            self.contents, self.store_bytes = Contents.of(store), store.store_bytes
            self.shards = _shards_of(store)

    def _tell(self, samples: Store | CommittedSamples) -> None:
        for finding in (*misnamed(samples), *unlabelled(samples)):
            self._note(finding)

    def close(self) -> None:
        """Leave what is half packed for a later run. Idempotent."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _shards_of(store: Store) -> int:
    return len(store.manifest.shards) if isinstance(store, ShardedStore) else 0


def _is_whole(store: Store) -> bool:
    """Whether all shards are there, in full length; an update makes those that are not."""
    return not isinstance(store, ShardedStore) or are_there(store.manifest, store.path)
