"""The storages behind a state's tensors: each once, however many tensors view it."""

from __future__ import annotations

from typing import Any

import torch
from torch.serialization import location_tag

#: The class by which a file names an element type; other types go by the name of the dtype.
STORAGE_CLASSES: dict[torch.dtype, Any] = {
    torch.float64: torch.DoubleStorage,
    torch.float32: torch.FloatStorage,
    torch.float16: torch.HalfStorage,
    torch.bfloat16: torch.BFloat16Storage,
    torch.int64: torch.LongStorage,
    torch.int32: torch.IntStorage,
    torch.int16: torch.ShortStorage,
    torch.int8: torch.CharStorage,
    torch.uint8: torch.ByteStorage,
    torch.bool: torch.BoolStorage,
    torch.complex64: torch.ComplexFloatStorage,
    torch.complex128: torch.ComplexDoubleStorage,
}


class StorageRef:
    """Stands for a storage in a copy of a state.

    Attributes:
        persistent_id: what the pickle holds in its place, as ``torch.load`` expects it.
    """

    __slots__ = ("persistent_id",)

    def __init__(self, persistent_id: tuple[object, ...]) -> None:
        self.persistent_id = persistent_id


class StorageTable:
    """Numbers storages in the order they are met and keeps them alive.

    Attributes:
        sources: one tensor each that holds the storage's bytes: of any dtype, contiguous, from the
            first byte to the last.
    """

    def __init__(self) -> None:
        self.sources: list[torch.Tensor] = []
        self._refs: dict[int, StorageRef] = {}
        self._storages: list[torch.UntypedStorage] = []
        self._dtypes: dict[int, torch.dtype] = {}

    def add_tensor(self, tensor: torch.Tensor) -> StorageRef:
        """The storage of a plain tensor whose dtype is in ``STORAGE_CLASSES``."""
        storage = tensor.untyped_storage()
        dtype = tensor.dtype
        ref = self._refs.get(storage._cdata)
        if ref is not None and self._dtypes.get(storage.data_ptr(), dtype) is dtype:
            return ref
        size_bytes = storage.nbytes()
        if size_bytes == 0 and tensor.numel():
            raise RuntimeError(
                f"expected memory behind a tensor of shape {tuple(tensor.shape)}, found none: it "
                "was freed, as FSDP does between steps; save the gathered or sharded state instead"
            )
        is_whole = tensor.nbytes == size_bytes and tensor.is_contiguous()
        count = size_bytes // tensor.itemsize
        whole = tensor if is_whole else None
        return self._add(storage, dtype, STORAGE_CLASSES[dtype], count, whole)

    def add_storage(self, storage: Any) -> StorageRef:
        """A ``TypedStorage`` or ``UntypedStorage``, as tensors' own ``__reduce_ex__`` has them."""
        if isinstance(storage, torch.storage.TypedStorage):
            storage_class = getattr(torch, storage._pickle_storage_type())  # type: ignore[no-untyped-call]
            untyped = storage._untyped_storage
            count = storage._size()  # type: ignore[no-untyped-call]
            return self._add(untyped, storage.dtype, storage_class, count, None)
        return self._add(storage, torch.uint8, torch.UntypedStorage, storage.nbytes(), None)

    def _add(
        self,
        storage: torch.UntypedStorage,
        dtype: torch.dtype,
        storage_class: Any,
        count: int,
        whole: torch.Tensor | None,
    ) -> StorageRef:
        pointer = storage.data_ptr()
        # As in torch.save: a loaded storage has one dtype, so two would silently become one.
        if pointer and self._dtypes.setdefault(pointer, dtype) is not dtype:
            raise RuntimeError(
                f"a state holds tensors that view the same memory as {self._dtypes[pointer]} and "
                f"as {dtype}, which torch.load could not give back; clone one of them before saving"
            )
        ref = self._refs.get(storage._cdata)
        if ref is not None:
            return ref
        is_cpu = storage.device.type == "cpu" if whole is None else whole.is_cpu
        location = "cpu" if is_cpu else location_tag(storage)
        key = str(len(self._storages))
        ref = StorageRef(("storage", storage_class, key, location, count))
        self._refs[storage._cdata] = ref
        self._storages.append(storage)
        if whole is None:
            whole = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
        self.sources.append(whole)
        return ref
