"""From the engine's array to the batch that torch's loader would give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import default_collate

from fastload.errors import PackError, RecordError, StoreError
from fastload.loader.failures import SampleError, places_to_fill_from

if TYPE_CHECKING:
    from fastload.loader.choice import EngineWork
    from fastload.loader.dataloader import DataLoader
    from fastload.loader.run_ahead import Job

__all__ = ["Assembly"]

#: So many rows are tried where a batch has no good sample of its own.
_SUBSTITUTES = 100


class Assembly:
    """Makes an epoch's batches from what the engine wrote.

    Args:
        work: what the engine does.
        loader: its collate function and error policy count.
        seed: the epoch's.
    """

    def __init__(self, work: EngineWork, loader: DataLoader[Any], seed: int) -> None:
        self._work = work
        self._on_error = loader.on_error
        self._log = loader._error_log
        self._collate: Any = loader.collate_fn
        self._batched = loader._auto_collation
        self._seed = seed

    def assemble(self, job: Job, array: NDArray[Any]) -> Any:
        """A finished job as a batch; None where every sample of it was left out.

        Args:
            job: done.
            array: its batch's memory, [n, C, H, W] or [n, H, W, C].

        Raises:
            RecordError, DecodeError, OSError: a sample cannot be read, and ``on_error`` is "raise"
                (or "replace", and the batch has no other).
        """
        images = torch.from_numpy(array)
        if self._work.dtype is torch.bfloat16:
            images = images.view(torch.bfloat16)
        if self._work.channels_last:
            images = images.permute(0, 3, 1, 2)
        rows = job.rows
        failures = job.batch.failures()
        if failures:
            rows, places = self._settle(job, array, [slot for slot, _, _ in failures])
            if places is not None:
                if len(places) == 0:
                    return None
                images, rows = images[torch.from_numpy(places)], rows[places]
                if self._work.channels_last:
                    images = images.contiguous(memory_format=torch.channels_last)
        return self._collated(images, rows)

    def _settle(
        self, job: Job, array: NDArray[Any], slots: list[int]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64] | None]:
        """Read once more what failed, as the data set itself would; then do as ``on_error`` says.

        Returns:
            the rows, and the places of the batch to use, or None for all of them.
        """
        rows = job.rows
        failed: list[int] = []
        for slot in slots:
            error = self._read(job, array, slot, int(rows[slot]))
            if error is None:
                continue
            if self._on_error == "raise":
                raise error
            failed.append(slot)
            self._leave_out(int(rows[slot]), error)
        if not failed:
            return rows, None
        if self._on_error == "skip":
            return rows, places_to_fill_from(failed, len(rows), "skip")
        if len(failed) == len(rows):
            rows = rows.copy()
            rows[0] = self._substitute(job, array)
            failed = failed[1:]
        return rows, places_to_fill_from(failed, len(rows), "replace")

    def _read(self, job: Job, array: NDArray[Any], slot: int, row: int) -> Exception | None:
        """Fill a slot as the data set itself would read it, or say why that cannot be."""
        pictures = self._work.rows.pictures
        index = self._picture(row)
        try:
            pixels = np.ascontiguousarray(pictures.open(index))
            out = array[slot].transpose(2, 0, 1) if self._work.channels_last else array[slot]
            self._work.recipe.render(pixels, self._seed, job.position + slot, out)
        except Exception as cause:  # Pillow's readers raise nearly anything on bad bytes
            if isinstance(cause, (StoreError, PackError)) and not isinstance(cause, RecordError):
                raise  # of the store, such as a shard that cannot be fetched: no sample is to blame
            error = pictures.error(index, row, cause)
            if error is not cause:
                error.__cause__ = cause
            return error
        return None

    def _substitute(self, job: Job, array: NDArray[Any]) -> int:
        """For a batch without any good sample: the next good row of the data set, in slot 0."""
        count = len(self._work.rows)
        error: Exception | None = None
        for step in range(1, min(count, _SUBSTITUTES + 1)):
            row = (int(job.rows[0]) + step) % count
            error = self._read(job, array, 0, row)
            if error is None:
                return row
            self._leave_out(row, error)
        raise error or RecordError("no sample of the data set can be read")

    def _leave_out(self, row: int, error: Exception) -> None:
        self._log.add(
            SampleError(row, self._work.rows.pictures.name(self._picture(row)), str(error))
        )

    def _picture(self, row: int) -> int:
        return int(self._work.rows.picture_indices(np.array([row]))[0])

    def _collated(self, images: torch.Tensor, rows: NDArray[np.int64]) -> Any:
        targets = self._work.rows.targets[rows]
        transform = self._work.rows.target_transform
        if self._batched and self._collate is default_collate:
            if transform is None:
                return [images, torch.from_numpy(targets)]
            return [images, default_collate(tuple(self._transformed(targets, rows)))]
        values = targets.tolist() if transform is None else self._transformed(targets, rows)
        samples = list(zip(images.unbind(0), values, strict=True))
        return self._collate(samples if self._batched else samples[0])

    def _transformed(self, targets: NDArray[np.int64], rows: NDArray[np.int64]) -> list[Any]:
        transform: Any = self._work.rows.target_transform
        results = []
        for target, row in zip(targets.tolist(), rows.tolist(), strict=True):
            try:
                results.append(transform(target))
            except Exception as error:
                if hasattr(error, "add_note"):  # Python 3.11
                    name = self._work.rows.pictures.name(self._picture(row))
                    error.add_note(f"in target_transform, for sample {row} ({name!r})")
                raise
        return results
