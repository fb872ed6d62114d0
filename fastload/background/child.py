"""``ChildProcess``: runs functions in another process, one at a time."""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from typing import Any

from fastload.background.wire import send

__all__ = ["ChildProcess"]

#: It ends by itself, unless a job has left threads running; then it is killed.
_END_SECONDS = 10.0
#: Within this, one whose pipe has ended has an exit code.
_DIE_SECONDS = 5.0
#: How often one that has not answered or ended yet is looked at.
_LOOK_SECONDS = 0.5


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
            RuntimeError: the process died meanwhile, or its answer cannot be understood here.
            Exception: whatever the function raised, with its traceback there as a note.
        """
        pipe = self._start()
        try:
            send(pipe, (function, arguments, named))
            self._await(pipe)
            where = pipe.recv()
            error, result = _received(pipe, where)
        except (EOFError, ConnectionError) as cause:
            code = self._joined(_DIE_SECONDS)
            self.close()
            raise RuntimeError(
                f"the background process died (exit code {code}) while it ran {function!r}; "
                "standard error may say why"
            ) from cause
        if error is None:
            return result
        if hasattr(error, "add_note"):  # Python 3.11
            error.add_note(where)
        raise error

    def _start(self) -> Connection:
        if self._pipe is None:
            context = get_context("spawn")
            ours, theirs = context.Pipe()
            process: Any = context.Process(
                target=_serve, args=(theirs,), name="fastload-background", daemon=True
            )
            # Ctrl-C is this process's to handle, also while that one starts: it inherits the mask.
            resource_tracker.ensure_running()  # whose start would unblock the signal
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._process, self._pipe = process, ours
            with suppress(OSError, AttributeError):  # from here: before it imports torch
                os.setpriority(os.PRIO_PROCESS, process.pid, 19)
            theirs.close()
        return self._pipe

    # Its end is told by pipes, whose other ends it has; but so has, for example, a loader's worker
    # that was forked while it was being started. So it is looked at as well.

    def _await(self, pipe: Connection) -> None:
        """Until there is an answer."""
        while not pipe.poll(_LOOK_SECONDS):
            if not self._process.is_alive() and not pipe.poll():
                raise EOFError

    def _joined(self, seconds: float) -> int | None:
        """Its exit code; None: it has not ended within so many seconds."""
        ends = time.monotonic() + seconds
        while self._process.exitcode is None and (left := ends - time.monotonic()) > 0:
            self._process.join(min(left, _LOOK_SECONDS))
        return self._process.exitcode  # type: ignore[no-any-return]

    def close(self) -> None:
        """End it. Idempotent."""
        if self._pipe is not None:
            with suppress(OSError):  # it may be dead
                send(self._pipe, None)  # and not its end alone, which forked children may hold open
            self._pipe.close()
            if self._joined(_END_SECONDS) is None:
                self._process.kill()
                self._process.join()
            self._process = self._pipe = None


def _received(pipe: Connection, where: str) -> tuple[BaseException | None, Any]:
    """An error or a result; ``where``: the error's traceback."""
    try:
        error, result = pipe.recv()
    except (EOFError, ConnectionError):
        raise
    except Exception as cause:  # such as an error whose constructor wants more than its text
        raise RuntimeError(f"{where}(the answer cannot be unpickled: {cause})") from cause
    return error, result


def _serve(pipe: Connection) -> None:
    with suppress(EOFError, ConnectionError):
        while True:
            try:
                call = pipe.recv()
            except (EOFError, ConnectionError):
                raise
            except Exception as error:  # it cannot be unpickled here
                _answer(pipe, error)
                continue
            if call is None:
                return
            function, arguments, named = call
            try:
                result = function(*arguments, **named)
            except BaseException as error:
                _answer(pipe, error)
            else:
                _answer(pipe, None, result)


def _answer(pipe: Connection, error: BaseException | None, result: Any = None) -> None:
    where = "" if error is None else "".join(traceback.format_exception(error))
    send(pipe, where)
    try:
        send(pipe, (error, result))
    except ConnectionError:
        raise
    except Exception as unsendable:
        text = f"{where}(the answer cannot be pickled: {unsendable})"
        send(pipe, (RuntimeError(text), None))
