"""The buffer that a snapshot is copied into, used again and again."""

from __future__ import annotations

import contextlib
import mmap
import os
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from fastload.checkpoint.memory_copy import copy_pieces
from fastload.checkpoint.plan import Range

#: Where pieces begin; torch's files align alike.
ALIGNMENT = 64
#: ``madvise``: a forked child finds zeros there. Since Linux 4.14; Python has no name for it.
_MADV_WIPEONFORK = 18


class Arena:
    """Memory for one snapshot: private, or shared with a writing process.

    Copying into memory that was written before takes a third of the time that fresh pages take,
    so the buffer stays.

    Note [ownership]: the mapping lives as long as anything views it: ``_memory``, and each
    memoryview of ``buffer``, also the slices that a writer's plan holds, keep it by reference.
    ``release`` and ``_arrange`` let go of the arena's own references only, so no writer's bytes can
    vanish under it. What may change is their content, and for that an arena belongs to one save at
    a time: ``SaveQueue`` lends it out, and takes it back once the file is written.

    Attributes:
        descriptor: of the memory where it is shared, else -1.
        generation: counts how often the memory was replaced.
    """

    def __init__(self, *, shared: bool = False) -> None:
        self.descriptor = -1
        self.generation = 0
        self._shared = shared
        self._pid = os.getpid()
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._buffer = memoryview(b"")
        self._pinned = False
        self._ranges: list[Range] = []
        self._pieces = np.empty((0, 3), np.uint64)
        self._events: list[torch.cuda.Event] = []

    @property
    def size_bytes(self) -> int:
        """Memory held."""
        return len(self._buffer)

    @property
    def buffer(self) -> memoryview:
        """All of it."""
        return self._buffer

    def copy(self, sources: Sequence[torch.Tensor]) -> list[Range]:
        """Copy contiguous tensors; where each one's bytes stand.

        Copies from a CUDA device are only begun: ``wait`` before reading. What its current stream
        does next waits for them, so that a state may be changed as soon as this returns.

        Raises:
            MemoryError: there is not so much memory.
        """
        self.wait()  # for copies of a save that was left out for this one
        on_cpu = all(source.is_cpu for source in sources)
        if not on_cpu:
            sources = [_reachable(source) for source in sources]
        # One pass: behind training, each tensor's first look is a miss in the cache.
        found = np.array([(source.data_ptr(), source.nbytes) for source in sources], np.uint64)
        found = found.reshape(-1, 2)
        pin = not on_cpu and any(source.is_cuda for source in sources)
        if pin > self._pinned or not np.array_equal(found[:, 1], self._pieces[:, 2]):
            self._arrange([int(size) for size in found[:, 1]], pin)
        if pin:
            self._copy_from_devices(sources)
            return self._ranges
        if ((found[:, 0] == 0) & (found[:, 1] > 0)).any():
            raise RuntimeError("expected tensors with memory behind them, found one without")
        self._pieces[:, 1] = found[:, 0]
        copy_pieces(self._pieces, torch.get_num_threads())
        return self._ranges

    def wait(self) -> None:
        """Until copies from devices have arrived."""
        events, self._events = self._events, []
        for event in events:
            event.synchronize()

    def release(self) -> None:
        """Give the memory back."""
        self.wait()
        is_mine = os.getpid() == self._pid
        if self._shared and is_mine and isinstance(self._buffer.obj, mmap.mmap):
            # Forked children have it mapped, too; empty pages cost nothing there. The owner's
            # pages are not for a child to empty.
            with contextlib.suppress(OSError, ValueError):
                self._buffer.obj.madvise(mmap.MADV_REMOVE)
        self._forget_places()
        self._memory = torch.empty(0, dtype=torch.uint8)
        self._buffer = memoryview(b"")
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _forget_places(self) -> None:
        self._ranges, self._pieces = [], np.empty((0, 3), np.uint64)

    def _arrange(self, sizes: list[int], pin: bool) -> None:
        self._forget_places()  # also where there is no memory for others
        ranges, end = [], 0
        for size in sizes:
            ranges.append(Range(end, size))
            end += size + -size % ALIGNMENT
        # Smaller by half, too: the budget is the state's size, not the largest ever seen.
        if not end <= self.size_bytes <= 2 * end or pin > self._pinned:
            self.release()
            self._allocate(end, pin)
        start = self._memory.data_ptr()
        pieces = [(start + place.offset, 0, place.size_bytes) for place in ranges]
        self._pieces = np.array(pieces, np.uint64).reshape(-1, 3)
        self._ranges = ranges

    def _allocate(self, size: int, pin: bool) -> None:
        size += -size % mmap.PAGESIZE or (mmap.PAGESIZE if size == 0 else 0)
        self._pinned = False
        try:
            if self._shared:
                self.descriptor = os.memfd_create("fastload-snapshot", os.MFD_CLOEXEC)
                os.ftruncate(self.descriptor, size)
                memory = mmap.mmap(self.descriptor, size)
            else:
                memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
                with contextlib.suppress(OSError, AttributeError):
                    memory.madvise(mmap.MADV_HUGEPAGE)
        except OSError as error:
            raise MemoryError(
                f"expected {size} bytes of memory for a snapshot of the state, found {error}; "
                "save less, or with snapshots=1"
            ) from error
        # Note [fork]: a loader's workers are forked beside it and have no use for it. The kernel
        # neither copies page tables for a shared mapping nor, so advised, for a private one, and
        # the parent's next writes do not fault. Never MADV_DONTFORK: a child then has the object
        # but not the mapping; other memory soon stands at its addresses, and the object's end
        # unmaps that (tests/checkpoint/test_fork.py).
        if not self._shared:
            with contextlib.suppress(OSError, ValueError):
                memory.madvise(_MADV_WIPEONFORK)
        self.generation += 1
        self._buffer = memoryview(memory)
        self._memory = torch.frombuffer(memory, dtype=torch.uint8)
        if pin:
            self._pin(size)

    # Note [CUDA]: written after torch's documentation, and not tested on a device so far.
    def _pin(self, size: int) -> None:
        pointer = self._memory.data_ptr()
        runtime = torch.cuda.cudart()  # type: ignore[no-untyped-call]
        if int(runtime.cudaHostRegister(pointer, size, 0)) == 0:
            weakref.finalize(self._memory, _unpin, runtime, pointer, os.getpid())
        self._pinned = True  # unpinned memory works, too: copies are then just not asynchronous

    def _copy_from_devices(self, sources: Sequence[torch.Tensor]) -> None:
        streams: dict[torch.device, torch.cuda.Stream] = {}
        for place, tensor in zip(self._ranges, sources, strict=True):
            target = self._memory[place.offset : place.offset + place.size_bytes]
            source = bytes_of(tensor)
            if not source.is_cuda:
                target.copy_(source)
                continue
            device = source.device
            if device not in streams:
                streams[device] = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
                streams[device].wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(streams[device]):
                target.copy_(source, non_blocking=True)
        for device, stream in streams.items():
            # Training's next kernels, which change the state, come behind the copies.
            torch.cuda.current_stream(device).wait_stream(stream)
        self._events = [stream.record_event() for stream in streams.values()]


def bytes_of(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a contiguous tensor: uint8 [n], the same memory."""
    return tensor.detach().reshape(-1).view(torch.uint8)


def _reachable(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor where ``memmove`` or CUDA can read it: other devices' are copied at once."""
    return tensor if tensor.is_cpu or tensor.is_cuda else tensor.cpu()


def _unpin(runtime: Any, pointer: int, pid: int) -> None:
    if os.getpid() == pid:  # a forked child has no CUDA
        runtime.cudaHostUnregister(pointer)
