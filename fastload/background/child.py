"""``ChildProcess``: runs functions in another process, one at a time."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

__all__ = ["ChildProcess"]


class ChildProcess:
    """A process that is started when it is first needed, and again after it has died.

    Spawned, so that it has none of training's memory and threads, and with the lowest priority.
    It ends with the pipe: also where this process is killed. Functions have to be importable by
    name there, and they, their arguments and results are pickled on the way by multiprocessing.
    """

    def __init__(self) -> None:
        self._process: Any = None
        self._pipe: Connection | None = None

    def run(
        self, function: Callable[..., Any], arguments: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Any:
        """Call a function there, and wait for its result.

        Raises:
            RuntimeError: the process died meanwhile.
            Exception: whatever the function raised, with its traceback there as a note.
        """
        pipe = self._start()
        try:
            pipe.send((function, arguments, named))
            error, result, where = pipe.recv()
        except (EOFError, ConnectionError) as cause:
            self._process.join(5)
            code = self._process.exitcode
            self.close()
            raise RuntimeError(
                f"the background process died (exit code {code}) while it ran {function!r}"
            ) from cause
        if error is None:
            return result
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(where)
        raise error

    def _start(self) -> Connection:
        if self._pipe is None:
            context = get_context("spawn")
            self._pipe, theirs = context.Pipe()
            self._process = context.Process(
                target=_serve, args=(theirs,), name="fastload-background", daemon=True
            )
            self._process.start()
            with suppress(OSError, AttributeError):  # from here: before it imports torch
                os.setpriority(os.PRIO_PROCESS, self._process.pid, 19)
            theirs.close()
        return self._pipe

    def close(self) -> None:
        """End it. Idempotent."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.join()
            self._process = self._pipe = None


def _serve(pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    with suppress(EOFError, ConnectionError):
        while True:
            try:
                function, arguments, named = pipe.recv()
            except (EOFError, ConnectionError):
                raise
            except Exception as error:  # it cannot be unpickled here
                pipe.send((error, None, traceback.format_exc()))
                continue
            answer: tuple[BaseException | None, Any, str]
            try:
                answer = (None, function(*arguments, **named), "")
            except BaseException as error:
                answer = (error, None, traceback.format_exc())
            try:
                pipe.send(answer)
            except (BrokenPipeError, ConnectionError):
                raise
            except Exception as unsendable:
                text = f"{answer[2]}(the answer cannot be pickled: {unsendable})"
                pipe.send((RuntimeError(text), None, text))
