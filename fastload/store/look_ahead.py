"""``LookAhead``: a thread that brings what will be needed next, while it is not yet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence

from fastload.errors import FastloadError

__all__ = ["LookAhead"]


class LookAhead:
    """Brings things by number, one after the other, in a thread that is there only meanwhile.

    What cannot be brought is left to who needs it, who will see the error.

    Args:
        bring: brings one; called in the thread.
    """

    def __init__(self, bring: Callable[[int], None]) -> None:
        self._bring = bring
        self._renew()

    def _renew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._wanted: list[int] = []
        self._thread: threading.Thread | None = None

    def ask(self, numbers: Sequence[int]) -> None:
        """Bring these, soonest first, in place of what was asked for before."""
        if self._process != os.getpid():  # a forked child has no thread, and maybe a held lock
            self._renew()
        with self._lock:
            self._wanted = list(numbers)
            if self._wanted and self._thread is None:
                # A daemon: a shard may take minutes, and the end of the program should not.
                self._thread = threading.Thread(
                    target=self._work, name="fastload-look-ahead", daemon=True
                )
                self._thread.start()

    def wait(self) -> None:
        """Until all is brought that was asked for."""
        thread = self._thread
        if thread is not None and self._process == os.getpid():
            thread.join()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                number = self._wanted.pop(0)
            try:
                self._bring(number)
            except (FastloadError, OSError):
                continue
