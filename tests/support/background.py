"""What tests have called in a background process, which imports it by name."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any


def square(value: Any) -> Any:
    """A result."""
    return value * value


def process_id() -> int:
    """Where it runs."""
    return os.getpid()


def has_imported(module: str) -> bool:
    """Whether it was needed."""
    return module in sys.modules


def fail(text: str) -> None:
    """An error."""
    raise ValueError(text)


def unpicklable() -> Any:
    """A result that cannot be sent."""
    return threading.Lock()


def kill_itself() -> None:
    """The end."""
    os.kill(os.getpid(), signal.SIGKILL)


class Particular(Exception):
    """An error that pickle cannot make again."""

    def __init__(self, one: int, other: int) -> None:
        super().__init__(f"{one} of {other}")


def fail_particularly() -> None:
    """An error that arrives otherwise than it was raised."""
    raise Particular(1, 2)


def leave_a_thread() -> None:
    """It would keep its process from ending."""
    threading.Thread(target=threading.Event().wait).start()
