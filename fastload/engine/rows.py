"""A data set as rows of numbered pictures, seen without asking it for a single sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Subset

from fastload import _core
from fastload.dataset import LMDBDataset
from fastload.engine.joined_pictures import JoinedPictures
from fastload.engine.pictures import FilePictures, Pictures, StorePictures
from fastload.engine.shard_pictures import ShardPictures
from fastload.store import Store
from fastload.store.shards import ShardedStore

__all__ = ["NotLowerable", "Rows", "rows_of", "sampled_rows"]

Transform = Callable[[Any], Any]


class NotLowerable(Exception):
    """Why the engine cannot read a data set; the text ends up in the plan."""


@dataclass(frozen=True)
class Rows:
    """What a data set's ``[i]`` is made from.

    Attributes:
        pictures: where its pictures are read.
        indices: int64 [N]: the picture of each row; None where row i is picture i.
        targets: int64 [N], before ``target_transform``.
        transform: the data set's.
        target_transform: the data set's.
        kind: what to call it in a plan.
    """

    pictures: Pictures
    indices: NDArray[np.int64] | None
    targets: NDArray[np.int64]
    transform: Transform | None
    target_transform: Transform | None
    kind: str

    def __len__(self) -> int:
        return len(self.targets)

    def picture_indices(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The pictures of rows 0..N-1: int64 [n]."""
        return rows if self.indices is None else self.indices[rows]


def rows_of(dataset: object) -> Rows:
    """A data set as rows.

    Exact types only: a subclass may do anything in its ``__getitem__``.

    Raises:
        NotLowerable: another data set than an LMDBDataset, a plain ImageFolder, or Subset and
            ConcatDataset of these.
        StoreError: the store cannot be read.
    """
    kind = type(dataset)
    if kind is LMDBDataset:
        return _rows_of_store(dataset)  # type: ignore[arg-type]
    if kind is Subset:
        return _rows_of_subset(dataset)  # type: ignore[arg-type]
    if kind is ConcatDataset:
        return _rows_of_concatenation(dataset)  # type: ignore[arg-type]
    if f"{kind.__module__}.{kind.__qualname__}" == "torchvision.datasets.folder.ImageFolder":
        return _rows_of_folder(dataset)
    bases = {f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__[1:]}
    if "torchvision.datasets.folder.ImageFolder" in bases or LMDBDataset in kind.__mro__:
        raise NotLowerable(
            f"{kind.__qualname__} is a subclass, which may give other samples than its base"
        )
    raise NotLowerable(
        f"{kind.__qualname__} is not a data set that the engine reads "
        "(LMDBDataset, ImageFolder, Subset and ConcatDataset of these)"
    )


#: What was made of each data set, beside what it was made from (compared at every use).
_remembered: WeakKeyDictionary[Any, tuple[list[Any], Any]] = WeakKeyDictionary()


def _remember(dataset: object, items: Any, make: Callable[[], Any]) -> Any:
    """``make()``, or its earlier result where the list it depends on holds the same objects.

    Comparing lists costs nanoseconds an item as long as the items are the same objects, so that a
    data set whose ``samples`` someone has edited between epochs is noticed.
    """
    if not isinstance(items, list):
        return make()
    found = _remembered.get(dataset)
    if found is None or not _same(found[0], items):
        found = _remembered[dataset] = (items.copy(), make())
    return found[1]


def _same(one: list[Any], other: list[Any]) -> bool:
    try:
        return one == other
    except Exception:  # elements that compare in ways of their own, such as tensors
        return False


def _rows_of_store(dataset: LMDBDataset) -> Rows:
    if dataset.target != "class":
        raise NotLowerable("detection targets, and images turned upright, are made in Python")
    if dataset.transforms is not None:
        raise NotLowerable("transforms of image and target together run in Python")
    pictures, targets = _remember(
        dataset,
        [dataset.store],
        lambda: (_pictures_of(dataset.store), dataset.class_ids.astype(np.int64)),
    )
    return Rows(
        pictures, dataset.store_indices, targets, dataset.transform, dataset.target_transform,
        f"LMDBDataset, {len(targets)} records",
    )  # fmt: skip


def _pictures_of(store: Store) -> StorePictures:
    return ShardPictures(store) if isinstance(store, ShardedStore) else StorePictures(store)


def _rows_of_folder(dataset: Any) -> Rows:
    from torchvision import get_image_backend
    from torchvision.datasets.folder import default_loader

    if dataset.loader is not default_loader:
        raise NotLowerable("the ImageFolder has a loader of its own")
    if get_image_backend() != "PIL":
        raise NotLowerable(f"torchvision's image backend is {get_image_backend()!r}, not 'PIL'")

    def make() -> tuple[FilePictures, NDArray[np.int64]]:
        paths = [path for path, _ in dataset.samples]
        return FilePictures(paths), as_integers([target for _, target in dataset.samples])

    try:
        pictures, targets = _remember(dataset, dataset.samples, make)
    except TypeError as error:
        raise NotLowerable(
            f"its samples are not pairs of a path and an integer: {error}"
        ) from error
    return Rows(
        pictures, None, targets, dataset.transform, dataset.target_transform,
        f"ImageFolder, {len(targets)} files",
    )  # fmt: skip


def _rows_of_subset(dataset: Subset[Any]) -> Rows:
    base = rows_of(dataset.dataset)
    try:
        chosen = _remember(dataset, dataset.indices, lambda: as_integers(dataset.indices))
    except TypeError as error:
        raise NotLowerable(f"a Subset's indices are not integers: {error}") from error
    count = len(base)
    if len(chosen) and (chosen.min() < -count or chosen.max() >= count):
        raise NotLowerable(f"a Subset names samples outside the {count} of its data set")
    rows = np.where(chosen < 0, chosen + count, chosen)
    return Rows(
        base.pictures, base.picture_indices(rows), base.targets[rows], base.transform,
        base.target_transform, f"Subset of {len(rows)} of {base.kind}",
    )  # fmt: skip


def _rows_of_concatenation(dataset: ConcatDataset[Any]) -> Rows:
    parts = [rows_of(part) for part in dataset.datasets]
    first = parts[0]
    for part in parts[1:]:
        if part.transform is not first.transform:
            raise NotLowerable("the data sets of a ConcatDataset have different transforms")
        if part.target_transform is not first.target_transform:
            raise NotLowerable("the data sets of a ConcatDataset have different target_transforms")
    sources = [part.pictures for part in parts]
    pictures, offsets = _remember(dataset, sources, lambda: _join(sources))
    indices = [
        offset + (np.arange(len(part)) if part.indices is None else part.indices)
        for part, offset in zip(parts, offsets, strict=True)
    ]
    kind = "ConcatDataset of " + " and ".join(part.kind for part in parts)
    return Rows(
        pictures, np.concatenate(indices), np.concatenate([part.targets for part in parts]),
        first.transform, first.target_transform, kind,
    )  # fmt: skip


def _join(parts: list[Pictures]) -> tuple[Pictures, list[int]]:
    """One numbering for several sources, and where each source begins in it."""
    if all(part is parts[0] for part in parts):
        return parts[0], [0] * len(parts)
    files = [part for part in parts if isinstance(part, FilePictures)]
    if len(files) == len(parts):
        starts = np.cumsum([0, *(len(part.paths) for part in files)]).tolist()
        return FilePictures([path for part in files for path in part.paths]), starts[:-1]
    stores = [part for part in parts if isinstance(part, StorePictures | JoinedPictures)]
    if len(stores) < len(parts):
        raise NotLowerable("a ConcatDataset of stores and folders")
    keys = [
        (part.store.location, part.store.header.store_id) if isinstance(part, StorePictures)
        else id(part)
        for part in stores
    ]  # fmt: skip
    distinct = dict(zip(keys, stores, strict=True))  # one store may be there several times
    if len(distinct) == 1:
        return parts[0], [0] * len(parts)
    joined = JoinedPictures(list(distinct.values()))
    starts = dict(zip(distinct, joined.starts.tolist(), strict=True))
    return joined, [starts[key] for key in keys]


def as_integers(values: Sequence[Any] | NDArray[Any] | torch.Tensor) -> NDArray[np.int64]:
    """A sequence of integers of any kind: int64 [N].

    Raises:
        TypeError: something else is among them.
    """
    if isinstance(values, torch.Tensor):
        values = values.numpy()
    array = np.asarray(values)
    if array.size == 0:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise TypeError(f"expected integers [N], found {array.dtype} {list(array.shape)}")
    return array.astype(np.int64, copy=False)


def sampled_rows(index: Any, count: int) -> NDArray[np.int64]:
    """A sampler's batch of indices, of any kind, as rows 0..count-1: int64 [n].

    Raises:
        IndexError: one lies outside -count..count-1.
    """
    rows = _core.rows_of(index, count)
    if rows is not None:
        return rows
    try:
        rows = as_integers(index)
    except (TypeError, ValueError):
        rows = np.array([int(i.__index__()) for i in index], np.int64)
    wrong = rows[(rows < -count) | (rows >= count)]
    if len(wrong):
        raise IndexError(f"expected an index within {count} samples, found {wrong[0]}")
    return np.where(rows < 0, rows + count, rows)
