"""``Budget``: the memory of a loader's batches, wherever they are."""

from __future__ import annotations

import weakref
from collections import deque
from contextlib import suppress
from typing import Any, Protocol

from numpy.typing import NDArray

__all__ = ["Budget", "Queue"]

#: Batches in the user's hands that count: the one in use, and the one before it, which
#: ``for batch in loader`` lets go only after it has the next. Who keeps more knows of it.
_LENT_BATCHES = 2


class Queue(Protocol):
    """What shares a budget."""

    @property
    def flying_bytes(self) -> int:
        """Memory that it has under way."""
        ...

    def fill(self) -> None:
        """Memory has come back."""
        ...


class _Lent:
    """Bytes of a lent batch; equal to none but itself."""

    __slots__ = ("size_bytes",)

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes


class Budget:
    """What the queues of a loader have under way, and what its user holds.

    Args:
        size_bytes: for all of it.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        self._lent: deque[_Lent] = deque(maxlen=_LENT_BATCHES)
        # Replaced as a whole, never changed: other threads may be going through it.
        self._queues: tuple[weakref.ref[Queue], ...] = ()

    def join(self, queue: Queue) -> None:
        """A queue shares the budget, as long as it lives."""
        alive = [known for known in self._queues if known() is not None]
        self._queues = (*alive, weakref.ref(queue))

    @property
    def used_bytes(self) -> int:
        """Memory of batches under way, ready, and in use."""
        queues = [known() for known in self._queues]
        flying = sum([queue.flying_bytes for queue in queues if queue is not None])
        return flying + sum([lent.size_bytes for lent in list(self._lent)])

    def has_room(self, size_bytes: int) -> bool:
        """Whether so much more fits."""
        return self.used_bytes + size_bytes <= self.size_bytes

    def lend(self, batch: Any) -> NDArray[Any]:
        """The memory of a finished batch of the core's, counted until its last user lets it go."""
        entry = _Lent(batch.bytes)
        self._lent.append(entry)
        itself = weakref.ref(self)

        def returned() -> None:
            budget = itself()
            if budget is not None:
                budget._came_back(entry)

        array: NDArray[Any] = batch.array(returned)
        return array

    def _came_back(self, entry: _Lent) -> None:
        with suppress(ValueError):  # no longer counted
            self._lent.remove(entry)  # in one step: another thread may be lending
        for known in self._queues:
            queue = known()
            if queue is not None:
                with suppress(RuntimeError):  # its engine was closed, or this is a forked child
                    queue.fill()
