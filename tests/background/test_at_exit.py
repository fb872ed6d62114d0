"""What is left to be done when a program ends, and programs whose jobs have a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support.loaders import settled

SCRIPT = """
import sys, threading, time
from fastload import BackgroundWorker
{main}
"""


def run_script(main: str, **options: Any) -> subprocess.Popen[str]:
    """A program of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(main=main)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


def test_exit_finishes_what_was_submitted(tmp_path):
    """Also by a worker that was forgotten, and by jobs to other workers."""
    program = run_script(
        f"""
def write(n):
    time.sleep(0.02)
    with open({str(tmp_path / "out")!r}, "a") as file: file.write(f"{{n}} ")
def main():
    work = BackgroundWorker()
    for n in range(10): work.submit(write, n)
main()
workers = [BackgroundWorker() for _ in range(6)]
for worker in workers: worker.submit(len, "")  # from Python 3.12 on, exit starts no threads
def chain(n):
    time.sleep(0.05)
    if n: workers[n - 1].submit(chain, n - 1)
    else: print("the chain's end")
workers[5].submit(chain, 5)
"""
    )
    assert program.communicate(timeout=60) == ("the chain's end\n", "")
    assert program.returncode == 0
    assert (tmp_path / "out").read_text().split() == [str(n) for n in range(10)]


def test_exit_says_what_it_waits_for_and_prints_lost_errors():
    """On standard error, after a second."""
    program = run_script(
        """
def slow_plot(): time.sleep(2.5)
def broken(): raise ValueError("lost")
work = BackgroundWorker()
work.submit(slow_plot, stream="plots"); work.submit(broken, stream="log")
raise KeyError("the program's own")
"""
    )
    _, error = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "KeyError" in error
    assert "fastload: waiting for 1 background jobs (slow_plot)" in error
    assert "ValueError: lost" in error


def test_ctrl_c_gives_up_what_exit_waits_for():
    """And says how many."""
    program = run_script(
        """
work = BackgroundWorker()
for _ in range(3): work.submit(threading.Event().wait)
"""
    )
    assert program.stderr is not None
    line = program.stderr.readline()
    assert "waiting for 3 background jobs" in line
    program.send_signal(signal.SIGINT)
    _, error = program.communicate(timeout=60)
    assert "3 background jobs given up" in error


def test_ctrl_c_does_not_end_a_process_that_is_starting():
    """It goes to all processes of a terminal, and is for the first to handle."""
    program = run_script(
        """
import os, signal
from support.background import square
signal.signal(signal.SIGINT, lambda *_: None)
job = BackgroundWorker(executor="process").submit(square, 3)
stream = threading.enumerate()[-1].native_id
while len(open(f"/proc/self/task/{stream}/children").read().split()) < 2:  # and multiprocessing's
    time.sleep(0.01)
os.killpg(0, signal.SIGINT)
print(job.result())
""",
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert program.communicate(timeout=60) == ("9\n", "")


def test_a_script_without_a_guard_does_not_run_twice(tmp_path):
    """A process for its jobs imports it."""
    (tmp_path / "script.py").write_text(
        """
from fastload import BackgroundWorker
from support.background import square
work = BackgroundWorker(executor="process")
print("at work", flush=True)
work.submit(square, 2).result()
"""
    )
    program = subprocess.run(
        [sys.executable, tmp_path / "script.py"], check=False, capture_output=True, text=True,
        timeout=60, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip
    assert program.stdout == "at work\n"
    assert "put that under if __name__ == '__main__':" in program.stderr


def test_a_killed_program_leaves_no_process(tmp_path):
    """The pipe's end ends it."""
    program = run_script(
        """
import os
from support.background import process_id
work = BackgroundWorker(executor="process")
print(work.submit(process_id).result(), flush=True)
threading.Event().wait()
""",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert program.stdout is not None
    child = int(program.stdout.readline())
    program.kill()
    program.communicate(timeout=60)
    assert settled(lambda: not Path("/proc", str(child)).exists())
