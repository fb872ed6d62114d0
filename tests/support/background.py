"""What tests have called in a background process, which imports it by name."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any


def square(value: Any) -> Any:
    """A result."""
    return value * value


def process_id() -> int:
    """Where it runs."""
    return os.getpid()


def fail(text: str) -> None:
    """An error."""
    raise ValueError(text)


def unpicklable() -> Any:
    """A result that cannot be sent."""
    return threading.Lock()


def kill_itself() -> None:
    """The end."""
    os.kill(os.getpid(), signal.SIGKILL)
