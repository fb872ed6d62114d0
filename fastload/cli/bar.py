"""The progress bar: photos and bytes a second, and the time that is left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from fastload.cli.figures import size

__all__ = ["Bar"]

# Where stderr is no terminal (a log), a line now and then.
LOG_SECONDS = 30.0


class _RateColumn(ProgressColumn):
    """Photos a second over the last moments, and bytes over the whole run."""

    def render(self, task: Task) -> Text:
        """The two rates."""
        bytes_a_second = task.fields["bytes"] / max(task.elapsed or 0.0, 1e-9)
        return Text(f"{task.speed or 0:,.0f} photos/s  {size(bytes_a_second)}/s")


@final
class Bar:
    """Shows progress on stderr; implements ``fastload.convert.Progress``.

    Args:
        shown: False: shows nothing.
    """

    def __init__(self, *, shown: bool) -> None:
        self._console = Console(stderr=True)
        self._shown = shown
        self._live = shown and self._console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,}/{task.total:,}"),
            _RateColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._task = self._progress.add_task("listing", total=None, bytes=0, visible=False)
        self._name = ""
        self._total = self._done = self._bytes = 0
        self._started = self._logged = time.monotonic()

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """A task of ``total`` photos begins; ``done`` of them were dealt with before."""
        self._name, self._total, self._done, self._bytes = task, total, done, 0
        self._started = self._logged = time.monotonic()
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(task, total=total, completed=done, bytes=0)

    def advance(self, photos: int, source_bytes: int) -> None:
        """So many more photos are dealt with."""
        self._bytes += source_bytes
        self._done += photos
        if self._live:
            self._progress.update(self._task, advance=photos, bytes=self._bytes)
        elif self._shown and time.monotonic() - self._logged > LOG_SECONDS:
            self._logged = time.monotonic()
            seconds = self._logged - self._started
            sys.stderr.write(f"{self._name} {self._done:,}/{self._total:,} photos, "
                             f"{size(self._bytes / seconds)}/s\n")  # fmt: skip
