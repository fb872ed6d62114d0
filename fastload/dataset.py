"""``LMDBDataset``: a store as the data set that ImageFolder would be, or a detector's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from operator import index as as_index
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from torch.utils.data import Dataset

from fastload.detection import TARGET_FORMS, detection_target
from fastload.errors import RecordError
from fastload.picture import open_picture
from fastload.records import decode_record
from fastload.store import LabelState, Store

__all__ = ["LMDBDataset"]

Transform = Callable[[Any], Any]
Sample = tuple[Any, Any]

_REPR_INDENT = " " * 4


class LMDBDataset(Dataset[Sample]):
    """A packed folder, with the samples that torchvision's ``ImageFolder`` gives for it.

    ``dataset[i]`` is ``(image, class index)``: a PIL image of mode RGB with exactly the pixels
    that Pillow decodes from the original file, and an int (-1 where the store has no classes).
    As in ImageFolder, EXIF orientation is **not** applied; the image carries it for
    ``PIL.ImageOps.exif_transpose``.

    A store with labels of objects gives ``(image, target)`` in the form that torchvision's
    detection models take: see ``fastload.detection.detection_target``. The image is turned upright
    by its EXIF orientation wherever its labels count so, as YOLO's do. Photos whose labels could
    not be read are left out.

    ::

        dataset = LMDBDataset("coco.lmdb", transforms=v2.Compose([...]), split="train")
        loader = DataLoader(dataset, 8, collate_fn=fastload.collate_detection)

    Carries over to workers by fork, spawn and forkserver (it pickles as a path), and any number
    of data sets may be open on one file.

    Args:
        path: the store, as ``fastload convert`` wrote it: a file, or a folder of shards, here or
            under a URL such as ``s3://bucket/set/``.
        transform: called with each image; its result takes the image's place.
        target_transform: called with each class index, likewise.
        split: read only this one of the splits that were packed under names, such as "train".
        transforms: called with each image and its target, in place of the two above.
        target: "class": a class index; "tv_tensors": a detection target that torchvision's v2
            transforms understand; "tensors": one of plain tensors; "auto": "tv_tensors" where the
            store has labels of objects, else "class".
        masks: detection targets have ``masks``.
        cache_dir: where shards from a URL are kept; see ``fastload.store.ShardedStore``.
        cache_bytes: how much of them, at most.

    Attributes:
        store: the open store.
        root: the folder that was packed.
        classes: class names; a sample's class index counts in them.
        class_to_idx: class name to class index.
        transform: as given; may be exchanged at any time.
        target_transform: likewise.
        transforms: likewise.
        split: as given.
        target: never "auto".
        masks: as given.

    Raises:
        StoreFormatError: not a store, or a damaged one.
        OSError: the file cannot be opened.
        ValueError: the store has no such split, or no labels of objects.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        *,
        split: str | None = None,
        transforms: Callable[[Any, Any], Any] | None = None,
        target: str = "auto",
        masks: bool = False,
        cache_dir: str | os.PathLike[str] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            raise ValueError("expected transforms, or transform and target_transform, found both")
        self.store = Store(path, cache_dir=cache_dir, cache_bytes=cache_bytes)
        self.root = self.store.header.source
        self.classes: list[str] = list(self.store.header.class_names)
        self.class_to_idx: dict[str, int] = {name: i for i, name in enumerate(self.classes)}
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = transforms
        self.split = split
        self.target = self._target_form(target)
        self.masks = masks
        self._bind()

    def _bind(self) -> None:
        """Take from the store what no pickle carries."""
        self._class_ids: NDArray[np.int32] = self.store.column("class_id")
        self._members = self._find_members()
        self._samples: list[tuple[str, int]] | None = None
        self._targets: list[int] | None = None

    def _target_form(self, target: str) -> str:
        labelled = self.store.annotations is not None
        if target == "auto":
            return "tv_tensors" if labelled else "class"
        if target not in ("class", *TARGET_FORMS):
            raise ValueError(
                f"target: expected auto, class, {' or '.join(TARGET_FORMS)}, found {target!r}"
            )
        if target != "class" and not labelled:
            raise ValueError(
                f"{self.store.location}: has no labels of objects, found target={target!r}; pack a "
                "labelled data set, or leave it out"
            )
        return target

    def _find_members(self) -> NDArray[np.int64] | None:
        """Store indices of the samples, ascending; None where they are all."""
        chosen = None if self.split is None else self._in_split(self.split)
        annotations = self.store.annotations
        if annotations is not None and self.target != "class":
            damaged = annotations.states == LabelState.DAMAGED
            if damaged.any():
                chosen = ~damaged if chosen is None else chosen & ~damaged
        return None if chosen is None else np.flatnonzero(chosen)

    def _in_split(self, split: str) -> NDArray[np.bool_]:
        names, where = self.store.header.split_names, self.store.location
        if split not in names:
            raise ValueError(
                f"{where}: expected one of its splits {list(names)}, found {split!r}"
                if names
                else f"{where}: has no named splits, found split={split!r}; leave it out"
            )
        found: NDArray[np.bool_] = self.store.column("split") == names.index(split)
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._bind()

    def __len__(self) -> int:
        return len(self.store) if self._members is None else len(self._members)

    def __getitem__(self, index: int) -> Sample:
        """The sample at a position of this data set; negative ones count from the end.

        Raises:
            IndexError: no such sample.
            RecordError: it is damaged; the message and ``name`` say which file it was.
        """
        position = self._store_index(index)
        image: Any = self._open(position)
        target: Any = int(self._class_ids[position])
        if self.target != "class":
            image, target = self._detection(position, image)
        if self.transforms is not None:
            image, target = self.transforms(image, target)
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """The samples at several positions, as torch's loader asks for a batch."""
        return [self[index] for index in indices]

    def _store_index(self, index: int) -> int:
        count = len(self)
        position = as_index(index)
        if position < 0:
            position += count
        if not 0 <= position < count:
            raise IndexError(
                f"{self.store.location}: expected an index within {count} samples, found {index}"
            )
        return position if self._members is None else int(self._members[position])

    def _open(self, position: int) -> Any:
        data = self.store.record_bytes(position)
        record = decode_record(data, verify_body=False)  # the store has compared it
        try:
            return open_picture(record, data)
        except MemoryError:
            raise
        except Exception as error:  # Pillow's readers raise nearly anything on bad bytes
            name = self.store.names[position]
            raise RecordError(
                f"{self.store.location}: sample {position} ({name!r}) passes its checksum but "
                f"cannot be decoded: {error}. Pack the folder again, or see `fastload verify`.",
                index=position,
                name=name,
            ) from error

    def _detection(self, position: int, image: Any) -> tuple[Any, dict[str, Any]]:
        annotations = self.store.annotations
        assert annotations is not None
        labels = annotations[position]
        if labels.upright:
            image = ImageOps.exif_transpose(image)
        image_id = position if annotations.image_ids is None else labels.image_id
        size = image.height, image.width
        try:
            target = detection_target(
                labels, size, self.target, image_id=image_id, masks=self.masks
            )
        except RecordError as error:
            name = self.store.names[position]
            raise RecordError(
                f"{self.store.location}: sample {position} ({name!r}): {error}",
                index=position,
                name=name,
            ) from error
        return image, target

    @property
    def store_indices(self) -> NDArray[np.int64] | None:
        """The store index of each sample, int64 [N]; None where sample i is the store's i."""
        return self._members

    @property
    def class_ids(self) -> NDArray[np.int32]:
        """The class index of each sample, int32 [N], without a Python object for any."""
        return self._class_ids if self._members is None else self._class_ids[self._members]

    @property
    def samples(self) -> list[tuple[str, int]]:
        """(path in the folder that was packed, class index) of every sample.

        The first use makes the list: two Python objects a sample.
        """
        if self._samples is None:
            names = self.store.names
            positions = range(len(self.store)) if self._members is None else self._members.tolist()
            paths = [os.path.join(self.root, names[position]) for position in positions]
            self._samples = list(zip(paths, self.targets, strict=True))
        return self._samples

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """Another name for ``samples``, as in ImageFolder."""
        return self.samples

    @property
    def targets(self) -> list[int]:
        """The class index of every sample; the first use makes the list."""
        if self._targets is None:
            self._targets = self.class_ids.tolist()
        return self._targets

    def __repr__(self) -> str:
        body = [f"Number of datapoints: {len(self)}", f"Root location: {self.store.location}"]
        if self.split is not None:
            body.append(f"Split: {self.split}")
        lines = [f"Dataset {type(self).__name__}", *(_REPR_INDENT + line for line in body)]
        # torchvision does not indent the transforms' own lines, so neither are they here.
        if self.transform is not None or self.target_transform is not None:
            lines.append(_REPR_INDENT + "StandardTransform")
        if self.transform is not None:
            lines += _labelled("Transform: ", self.transform)
        if self.target_transform is not None:
            lines += _labelled("Target transform: ", self.target_transform)
        return "\n".join(lines)


def _labelled(label: str, transform: Transform) -> list[str]:
    """The lines of a transform's repr behind a label, aligned with the first."""
    first, *rest = repr(transform).splitlines() or [""]
    return [label + first, *(" " * len(label) + line for line in rest)]
