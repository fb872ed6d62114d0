"""Functions called behind training's back: all of them, in order, and their errors."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from typing import Any

import pytest
import torch

from fastload import BackgroundWorker
from support.background import fail
from support.loaders import settled


@pytest.fixture
def work() -> Any:
    """Closed at the end, whatever has happened."""
    with BackgroundWorker() as worker:
        yield worker


class Gate:
    """A job that runs until it is opened."""

    def __init__(self) -> None:
        self.entered, self._open = threading.Event(), threading.Event()

    def __call__(self, value: Any = None) -> Any:
        self.entered.set()
        assert self._open.wait(20)
        return value

    def open(self) -> None:
        """Let it go on."""
        self._open.set()


def test_a_job_is_a_future(work):
    """Result, state and exception."""
    gate = Gate()
    job = work.submit(gate, 3)
    assert gate.entered.wait(20)
    assert not job.done()
    assert work.pending == 1
    gate.open()
    assert job.result(20) == 3
    assert job.exception() is None


def test_a_stream_keeps_its_order_and_streams_run_beside_each_other(work):
    """A slow plot does not hold up the log."""
    gate, seen = Gate(), []
    work.submit(gate, stream="plots")
    for number in range(50):
        work.submit(seen.append, number, stream="log")
    work.submit(seen.append, "plot", stream="plots")
    assert settled(lambda: len(seen) == 50)
    gate.open()
    work.wait()
    assert seen == [*range(50), "plot"]


def test_more_streams_than_workers_take_turns():
    """A job each; no stream holds up the others, and there are no more threads."""
    worker = BackgroundWorker(max_workers=2)
    gates, seen = [Gate(), Gate()], []
    for number, gate in enumerate(gates):
        worker.submit(gate, stream=f"gate {number}")
        assert gate.entered.wait(20)
    for stream in "abc":
        for number in range(3):
            worker.submit(seen.append, f"{stream}{number}", stream=stream)
    assert len(worker._crew._threads) == 2
    assert seen == []
    gates[0].open()
    assert settled(lambda: len(seen) == 9)
    assert seen == [f"{stream}{number}" for number in range(3) for stream in "abc"]
    gates[1].open()
    worker.close()


def test_a_thread_that_is_free_takes_another_stream(work):
    """No other is started."""
    for stream in "abc":
        work.submit(len, "x", stream=stream).result(20)
        assert settled(lambda: work._crew._idle == 1)
    assert len(work._crew._threads) == 1


def test_what_is_passed_is_copied(work):
    """Training goes on with it."""
    gate, tensor = Gate(), torch.ones(4)
    work.submit(gate)
    copied = work.submit(torch.sum, tensor)
    shared = work.submit(torch.sum, tensor, copy=False)
    tensor.zero_()
    gate.open()
    assert (float(copied.result()), float(shared.result())) == (4, 0)


def test_an_error_is_raised_by_the_job(work):
    """With its traceback; then it is known, and nothing else raises it."""
    job = work.submit(fail, "broken")
    with pytest.raises(ValueError, match="broken") as caught:
        job.result()
    assert caught.traceback[-1].name == "fail"
    work.submit(len, "x")
    work.wait()


@pytest.mark.parametrize("how", ["submit", "wait", "close", "exit"])
def test_an_error_that_nobody_asked_for_is_raised_once(how):
    """By whatever comes next."""
    worker = BackgroundWorker()
    worker.submit(fail, "broken")
    assert settled(lambda: worker.pending == 0)
    raised = {
        "submit": lambda: worker.submit(len, "x"),
        "wait": worker.wait,
        "close": worker.close,
        "exit": lambda: worker.__exit__(None, None, None),
    }
    with pytest.raises(ValueError, match="broken"):
        raised[how]()
    worker.close()


def test_what_ends_a_job_does_not_end_training(work):
    """``sys.exit`` in a job; whom asks for its result gets it as it is."""
    job = work.submit(sys.exit, 0)
    with pytest.raises(SystemExit):
        job.result(20)
    work.submit(sys.exit, 0)
    assert settled(lambda: work.pending == 0)
    with pytest.raises(RuntimeError, match=r"ended by SystemExit\(0\)") as caught:
        work.submit(len, "x")
    assert isinstance(caught.value.__cause__, SystemExit)


def test_other_streams_do_not_hear_of_it(work):
    """A plot that fails does not stop the log."""
    work.submit(fail, "broken", stream="plots")
    assert settled(lambda: work.pending == 0)
    assert work.submit(len, "abc", stream="log").result() == 3
    with pytest.raises(ValueError, match="broken"):
        work.submit(len, "x", stream="plots")


def test_further_errors_are_printed(work, capsys):
    """One can be raised; none is lost."""
    work.submit(fail, "first", stream="a")
    assert settled(lambda: work.pending == 0)  # streams run beside each other
    work.submit(fail, "second", stream="b")
    with pytest.raises(ValueError, match="first"):
        work.wait()
    assert "ValueError: second" in capsys.readouterr().err


def test_an_error_on_its_way_is_the_one_to_be_seen(capsys):
    """The background's is printed beside it."""

    def run() -> None:
        with BackgroundWorker() as worker:
            worker.submit(fail, "in the background")
            raise KeyError("in front")

    with pytest.raises(KeyError, match="in front"):
        run()
    assert "ValueError: in the background" in capsys.readouterr().err


def test_a_full_stream_waits(work):
    """And no job is lost."""
    worker = BackgroundWorker(max_pending=2)
    gate, seen = Gate(), []
    worker.submit(gate)
    worker.submit(seen.append, 1)
    third = threading.Thread(target=lambda: worker.submit(seen.append, 2))
    third.start()
    assert worker.pending == 2
    gate.open()
    third.join(20)
    worker.close()
    assert seen == [1, 2]
    assert worker.seconds_waited > 0


def test_a_full_stream_drops_its_oldest():
    """As for figures of which the latest counts."""
    worker = BackgroundWorker(max_pending=2, on_full="drop_oldest")
    gate, seen = Gate(), []
    worker.submit(gate)
    assert gate.entered.wait(20)
    jobs = [worker.submit(seen.append, number) for number in range(4)]
    gate.open()
    worker.close()
    assert seen == [3]
    assert worker.dropped == 3
    assert [job.cancelled() for job in jobs] == [True, True, True, False]


def test_a_dropped_jobs_callback_may_wait_for_other_jobs():
    """It is called when others are not held up."""
    worker = BackgroundWorker(max_pending=2, on_full="drop_oldest")
    gate, found = Gate(), []
    worker.submit(gate)
    assert gate.entered.wait(20)
    job = worker.submit(len, "x")
    job.add_done_callback(
        lambda _: found.append(worker.submit(len, "abc", stream="other").result(20))
    )
    worker.submit(len, "y")
    gate.open()
    worker.close()
    assert found == [3]


def test_dropping_a_job_that_no_thread_has_seen_yet():
    """The stream is still one, and waits for one thread."""
    worker = BackgroundWorker(max_pending=1, on_full="drop_oldest")
    seen: list[int] = []
    with worker._crew.condition:  # no thread can take anything
        jobs = [worker.submit(seen.append, number) for number in range(3)]
        assert len(worker._crew._ready) == 1
    worker.close()
    assert seen == [2]
    assert [job.cancelled() for job in jobs] == [True, True, False]


def test_a_full_stream_raises():
    """With what to do about it."""
    worker = BackgroundWorker(max_pending=1, on_full="raise")
    gate = Gate()
    worker.submit(gate)
    with pytest.raises(RuntimeError, match=r"max_pending=1 jobs; wait, or"):
        worker.submit(len, "x")
    gate.open()
    worker.close()


def test_a_job_may_submit_to_its_own_full_stream():
    """It would wait for itself."""
    worker = BackgroundWorker(max_pending=1)
    job = worker.submit(lambda: worker.submit(len, "abc"))
    assert job.result(20).result(20) == 3
    worker.close()


def test_jobs_may_submit_to_each_others_full_streams():
    """Both would wait for ever."""
    worker = BackgroundWorker(max_pending=1)
    both_run = threading.Barrier(2)

    def submit_to(stream: str) -> Any:
        both_run.wait(20)
        return worker.submit(len, "abc", stream=stream)

    jobs = [worker.submit(submit_to, there, stream=here) for here, there in ("ab", "ba")]
    assert [job.result(20).result(20) for job in jobs] == [3, 3]
    worker.close()


@pytest.mark.parametrize("call", ["wait", "close"])
def test_a_job_cannot_wait_for_itself(work, call):
    """Nor for all jobs, of which it is one."""
    with pytest.raises(RuntimeError, match="cannot wait for all jobs of its own"):
        work.submit(getattr(work, call)).result(20)


def test_an_interrupted_close_goes_on_when_called_again():
    """Ctrl-C takes its effect at once."""
    worker = BackgroundWorker()
    gate, seen = Gate(), []
    worker.submit(gate)
    worker.submit(seen.append, 1)
    assert gate.entered.wait(20)

    def close() -> None:
        threading.Thread(target=signal.raise_signal, args=(signal.SIGINT,)).start()
        worker.close()  # which may not even begin

    with pytest.raises(KeyboardInterrupt):
        close()
    assert worker.pending == 2
    gate.open()
    worker.close()
    assert seen == [1]


def crew_threads() -> list[threading.Thread]:
    """Those of all workers that anybody refers to, or that have work."""
    gc.collect()
    return [t for t in threading.enumerate() if t.name.startswith("fastload-background")]


def test_a_forgotten_worker_finishes_and_leaves_nothing(capsys):
    """As one that is closed; errors are printed."""
    assert settled(lambda: not crew_threads())  # those of the test before may be ending
    gate, seen = Gate(), []
    worker = BackgroundWorker()
    worker.submit(gate)
    worker.submit(seen.append, 1)
    worker.submit(fail, "in the background")
    del worker
    gate.open()
    assert settled(lambda: not crew_threads())
    assert seen == [1]
    assert "ValueError: in the background" in capsys.readouterr().err


def test_closing_finishes_everything_and_leaves_nothing():
    """Its threads too; and twice is once."""
    seen: list[int] = []
    worker = BackgroundWorker()
    for number in range(20):
        worker.submit(seen.append, number, stream=str(number % 3))
    worker.close()
    worker.close()
    assert sorted(seen) == list(range(20))
    assert settled(lambda: not crew_threads())
    for call in (lambda: worker.submit(len, "x"), worker.wait):
        with pytest.raises(RuntimeError, match="closed"):
            call()


def test_a_cancelled_job_is_left_out(work):
    """By whom has its future."""
    gate, seen = Gate(), []
    work.submit(gate)
    assert gate.entered.wait(20)
    job = work.submit(seen.append, 1)
    assert job.cancel()
    gate.open()
    work.submit(seen.append, 2)
    work.wait()
    assert seen == [2]


def test_a_forked_child_is_refused_and_waits_for_no_lock():
    """It has none of the threads; one of them may have held a lock."""
    worker = BackgroundWorker()
    worker.submit(len, "x").result()
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with worker._crew.condition:
            held.set()
            enough.wait(20)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(20)
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(20)
        try:
            worker.submit(len, "x")
        except RuntimeError as error:
            status = 0 if "make one in the child" in str(error) else 2
        else:
            status = 3
        worker.close()
        del hold
        status += worker.pending
        del worker
        os._exit(status)
    enough.set()
    holder.join()
    worker.close()
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


@pytest.mark.parametrize(
    "wrong", [{"max_pending": 0}, {"max_workers": 0}, {"on_full": "block"}, {"executor": "gpu"}]
)
def test_arguments_are_checked(wrong):
    """In words."""
    with pytest.raises(ValueError, match="expected"):
        BackgroundWorker(**wrong)
