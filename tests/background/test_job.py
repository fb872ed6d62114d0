"""What a job holds on to."""

from __future__ import annotations

import gc
import weakref
from typing import Any

from fastload import BackgroundWorker


class Value:
    """Given to a job."""


def test_what_a_job_was_given_goes_with_it():
    """Also where the job is kept, or failed: no circle waits for a collection."""

    def broken(value: Any) -> None:
        raise ValueError

    value = Value()
    gone = weakref.ref(value)
    gc.disable()
    try:
        work = BackgroundWorker()
        work.submit(broken, value).exception(20)
        done = work.submit(id, value)
        done.result(20)
        work.close()
        del value
        assert gone() is None
        assert done.done()
    finally:
        gc.enable()
