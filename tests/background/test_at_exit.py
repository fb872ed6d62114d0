"""What is left to be done when a program ends, and programs whose jobs have a process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.live_programs import Program, program_source
from support.loaders import settled

Start = Callable[[str], Program]


@pytest.fixture(scope="module")
def source() -> Iterator[subprocess.Popen[str]]:
    """Of all programs here."""
    with program_source() as one:
        yield one


@pytest.fixture
def start(source: subprocess.Popen[str], tmp_path: Path) -> Start:
    """Starts a program with some code."""
    return partial(Program, source, folder=tmp_path)  # type: ignore[return-value]


def test_exit_finishes_what_was_submitted(start: Start):
    """Also by a worker that was forgotten, and by jobs to other workers."""
    program = start(
        """
def write(n):
    time.sleep(0.02)
    os.write(1, f"{n}\\n".encode())
def main():
    work = BackgroundWorker()
    for n in range(5): work.submit(write, n)
main()
workers = [BackgroundWorker() for _ in range(4)]
for worker in workers: worker.submit(len, "")  # from Python 3.12 on, exit starts no threads
def chain(n):
    time.sleep(0.05)
    if n: workers[n - 1].submit(chain, n - 1)
    else: os.write(1, b"the chain's end\\n")
workers[3].submit(chain, 3)
"""
    )
    assert program.end() == 0
    lines = program.output.splitlines()
    assert sorted(lines) == ["0", "1", "2", "3", "4", "the chain's end"]
    assert [line for line in lines if line.isdigit()] == ["0", "1", "2", "3", "4"]
    assert program.error == ""


def test_jobs_are_done_before_their_library_ends_at_exit(start: Start):
    """As W&B's hook does, which is registered behind the worker's making."""
    program = start(
        """
import atexit
class Run:
    is_open = True
    def __init__(self): atexit.register(setattr, self, "is_open", False)
    def log(self, number): time.sleep(0.02); os.write(1, f"{number} {self.is_open}\\n".encode())
late = BackgroundWorker()
run = Run()
late.submit(run.log, 0)
early = BackgroundWorker()
early.submit(len, "")
run = early.wrap(Run())  # for which it is registered again
for number in range(1, 4): run.log(number)
"""
    )
    assert program.end() == 0
    assert sorted(program.output.splitlines()) == ["0 True", "1 True", "2 True", "3 True"]
    assert program.error == ""


def test_exit_says_what_it_waits_for_and_prints_lost_errors(start: Start):
    """On standard error, after a while; and ends as the program's own error has it."""
    program = start(
        """
at_exit._SILENT_SECONDS = 0.1
def slow_plot(): time.sleep(0.6)
def broken(): raise ValueError("lost")
work = BackgroundWorker()
work.submit(slow_plot, stream="plots"); work.submit(broken, stream="log")
raise KeyError("the program's own")
"""
    )
    assert program.end() == 1
    assert "KeyError" in program.error
    assert "fastload: waiting for 1 background job (slow_plot)" in program.error
    assert "ValueError: lost" in program.error


def test_ctrl_c_gives_up_what_exit_waits_for(start: Start):
    """And says how many; errors of what was done are not given up."""
    program = start(
        """
at_exit._SILENT_SECONDS = 0
work = BackgroundWorker()
def broken(): raise ValueError("lost")
work.submit(broken, stream="log")
for _ in range(3): work.submit(threading.Event().wait)
while work.pending > 3: time.sleep(0.01)
"""
    )
    assert program.says("waiting for 3 background jobs")
    os.kill(program.process, signal.SIGINT)
    program.end()
    assert "3 background jobs given up" in program.error
    assert "ValueError: lost" in program.error


@pytest.mark.parametrize("gone", ["None", "open('/dev/full', 'w')"])
def test_exit_finishes_without_a_standard_error(start: Start, gone: str):
    """Of which there is none, or none to write to."""
    program = start(
        f"""
at_exit._SILENT_SECONDS = 0
work = BackgroundWorker()
def broken(): raise ValueError
def job(number): time.sleep(0.3); os.write(1, f"{{number}} ".encode())
work.submit(broken, stream="other")
for number in range(2): work.submit(job, number)
sys.stderr = {gone}
"""
    )
    program.end()
    assert program.output.split() == ["0", "1"]


def test_sigterm_finishes_jobs_where_it_is_made_an_exit(start: Start):
    """As docs/second_step.md shows; Python's own way is to end at once."""
    program = start(
        """
import signal
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
work = BackgroundWorker()
def job(): time.sleep(0.2); os.write(1, b"done")
work.submit(job)
os.write(1, b"at work ")
while True: time.sleep(1)
"""
    )
    assert program.says("at work")
    os.kill(program.process, signal.SIGTERM)
    assert program.end() == 143
    assert program.output == "at work done"


def test_a_process_for_jobs_is_its_programs(start: Start):
    """Ctrl-C goes to all processes of a terminal, and is for the first to handle, also while the
    others start; when the first is killed, they end.
    """
    program = start(
        f"""
import signal
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.background import process_id
signal.signal(signal.SIGINT, lambda *_: None)
job = BackgroundWorker(executor="process").submit(process_id)
thread = threading.enumerate()[-1].native_id
while len(open(f"/proc/self/task/{{thread}}/children").read().split()) < 2:  # and multiprocessing's
    time.sleep(0.001)
os.killpg(0, signal.SIGINT)
os.write(1, f"in {{job.result()}} now".encode())
threading.Event().wait()
"""
    )
    assert program.says("now")
    child = int(program.output.split()[1])
    assert child != program.process
    os.kill(program.process, signal.SIGKILL)
    program.end()
    assert settled(lambda: not Path("/proc", str(child)).exists())


def test_a_script_without_a_guard_does_not_run_twice(start: Start, tmp_path: Path):
    """A process for its jobs imports it."""
    script = tmp_path / "script.py"
    script.write_text(
        f"""
import os, sys
from fastload import BackgroundWorker
sys.path.insert(0, {str(Path(__file__).parents[1])!r})
from support.background import square
work = BackgroundWorker(executor="process")
os.write(1, b"at work ")
work.submit(square, 2).result()
"""
    )
    program = start(f"__file__ = {str(script)!r}; exec(open(__file__).read())")
    assert program.end() == 1
    assert program.output == "at work "
    assert "put that under if __name__ == '__main__':" in program.error
