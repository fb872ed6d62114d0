"""What a merged store is to be: its classes, splits, samples, columns and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastload.convert.copying import CopyPart
from fastload.convert.findings import Finding, Severity
from fastload.convert.further_columns import further_columns
from fastload.convert.merge_files import merged_files
from fastload.convert.merge_names import samples_by_name
from fastload.errors import PackError
from fastload.store import NO_SPLIT, PHOTO_COLUMNS, AnnotationHeader, Problem, Store, WriterHeader
from fastload.store.annotation_merge import merged_annotations
from fastload.store.copy_records import RecordCopier
from fastload.version import __version__

__all__ = ["CLASSES", "DUPLICATES", "SPLITS", "MergePlan"]

CLASSES = ("same", "union")
SPLITS = ("keep", "stores", "none")
DUPLICATES = ("error", "first", "last")
#: Said of one source or one copy, not of the samples.
_OWN_OPTIONS = {"split", "source_state", "copied_from", "divided"}
#: What becomes of a file's bytes. Where stores differ in it, that is noted: an update with any of
#: their choices would take records for its own that were made with others.
_BYTES_OPTIONS = ("tile", "max_side", "quality", "format")
_MIXED = "mixed"


class MergePlan:
    """Reads columns and headers, no record; see ``merge`` for the arguments.

    Attributes:
        columns: of the merged store.
        left_out: samples of a name that another store has too.

    Raises:
        PackError: the stores do not fit together.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        classes: str,
        splits: str,
        duplicates: str,
        prefix: bool,
        note: Callable[[Finding], None],
    ) -> None:
        self._stores = stores
        self._note = note
        stems = [Path(store.path).stem for store in stores]
        if (prefix or splits == "stores") and len(set(stems)) != len(stems):
            twice = Counter(stems).most_common(1)[0][0]
            raise PackError(f"{twice}: two stores have this name, rename one of their files")
        self._prefixes = [f"{stem}/" if prefix else "" for stem in stems]
        self._class_names = _class_names(stores, classes)
        self._split_names, self._splits = _splits(stores, stems, splits)
        self._indices = samples_by_name(stores, self._prefixes, duplicates)
        self.left_out = sum(map(len, stores)) - sum(map(len, self._indices))
        further, self._extras = further_columns(stores)
        self.columns = (*PHOTO_COLUMNS, *further)
        headers = [store.header.annotations for store in stores]
        self._files, self._stored = merged_files(stores, self._prefixes, duplicates)
        found = [header for header in headers if header is not None]
        self._annotations = self._merged(found) if found else None

    def header(self, state: str) -> tuple[WriterHeader, bytes]:
        """The merged store's header, and its attached files as stored."""
        headers = [store.header for store in self._stores]
        first = headers[0]
        options = {
            name: value
            for name, value in first.options.items()
            if name not in _OWN_OPTIONS
            and all(header.options.get(name, ...) == value for header in headers)
        }
        for name in _BYTES_OPTIONS:
            if any(header.options.get(name) != first.options.get(name) for header in headers):
                options[name] = _MIXED
        source = first.source if all(header.source == first.source for header in headers) else ""
        header = WriterHeader(
            class_names=self._class_names,
            split_names=self._split_names,
            source=source,
            created_by=f"fastload {__version__}",
            tile_width=first.tile_width,
            options={**options, "copied_from": state},
            annotations=self._annotations,
        )
        return header, self._stored

    def parts(self, header: WriterHeader) -> list[CopyPart]:
        """What is taken of each store."""
        return [
            CopyPart(
                RecordCopier(store, header, splits=splits, extra=extra, prefix=prefix),
                indices,
                tuple(Problem(prefix + p.path, p.reason, p.kind) for p in store.problems),
            )
            for store, splits, extra, prefix, indices in zip(
                self._stores, self._splits, self._extras, self._prefixes, self._indices, strict=True
            )
        ]

    def _merged(self, headers: Sequence[AnnotationHeader]) -> AnnotationHeader:
        merged = merged_annotations(headers)
        merged = replace(merged, files=self._files, category_ids=self._category_ids())
        labelled = [store for store in self._stores if store.annotations is not None]
        if any(header.image_ids for header in headers) and not (
            merged.image_ids and _are_unique(labelled, "label_image_id")
        ):
            merged = replace(merged, image_ids=False)
            self._drop("image-ids", "image ids")
        if "id" in merged.object_fields and not (
            all("id" in header.object_fields for header in headers if header.objects)
            and _are_unique(labelled, "objects.id")
        ):
            fields = tuple(name for name in merged.object_fields if name != "id")
            merged = replace(merged, object_fields=fields)
            self._drop("object-ids", "ids of objects")
        return merged

    def _category_ids(self) -> tuple[int, ...]:
        """The source's own ids of the classes, where the stores agree about them."""
        known = [
            dict(zip(store.header.class_names, store.header.annotations.category_ids, strict=False))
            for store in self._stores
            if store.header.annotations is not None
        ]
        ids: dict[str, set[int]] = {}
        for one in known:
            for name, number in one.items():
                ids.setdefault(name, set()).add(number)
        if not ids:
            return ()
        numbers = [ids.get(name, set()) for name in self._class_names]
        found = [next(iter(number)) for number in numbers if len(number) == 1]
        if len(found) == len(numbers) == len(set(found)):
            return tuple(found)
        self._drop("category-ids", "category ids")
        return ()

    def _drop(self, kind: str, what: str) -> None:
        self._note(
            Finding(
                "", Severity.NOTE, kind,
                f"the stores' {what} are left out: not all have them, or one stands for two things",
            )
        )  # fmt: skip


def _class_names(stores: Sequence[Store], classes: str) -> tuple[str, ...]:
    lists = [store.header.class_names for store in stores]
    first = lists[0]
    if classes == "same":
        for store, names in zip(stores, lists, strict=True):
            if set(names) != set(first):
                more, fewer = sorted(set(names) - set(first)), sorted(set(first) - set(names))
                raise PackError(
                    f"{store.path}: expected the {len(first)} classes of {stores[0].path}, found "
                    f"{len(names)}: it has {_some(more)} more, and lacks {_some(fewer)}; "
                    "--classes union takes those of all"
                )
        return first
    union = tuple(dict.fromkeys(name for names in lists for name in names))
    # As torchvision's ImageFolder and a fresh packing of all would number them.
    are_sorted = all(list(names) == sorted(names) for names in lists)
    return tuple(sorted(union)) if are_sorted else union


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(map(ascii, names[:3]))
    return f"{len(names)} ({shown}{', ...' if len(names) > 3 else ''})" if names else "0"


def _splits(
    stores: Sequence[Store], stems: Sequence[str], splits: str
) -> tuple[tuple[str, ...], list[NDArray[np.uint8]]]:
    """The split names, and each store's new split ids."""
    if splits == "stores":
        ids = [np.full(len(store), place, np.uint8) for place, store in enumerate(stores[:255])]
        if len(stores) > NO_SPLIT:
            raise PackError(f"splits: expected at most {NO_SPLIT} stores, found {len(stores)}")
        return tuple(stems), ids
    if splits == "none":
        return (), [np.full(len(store), NO_SPLIT, np.uint8) for store in stores]
    names = tuple(dict.fromkeys(name for store in stores for name in store.header.split_names))
    if len(names) > NO_SPLIT:
        raise PackError(f"splits: expected at most {NO_SPLIT} names, found {len(names)}")
    places = {name: place for place, name in enumerate(names)}
    found = []
    for store in stores:
        new_ids = np.full(256, NO_SPLIT, np.uint8)
        own = store.header.split_names
        new_ids[: len(own)] = [places[name] for name in own]
        found.append(new_ids[store.column("split")])
    return names, found


def _are_unique(stores: Sequence[Store], column: str) -> bool:
    values: NDArray[Any] = np.concatenate([store.column(column) for store in stores])
    return len(np.unique(values)) == len(values)
