"""A loader's process, as the benchmark sees it: started, stopped between its turns, asked."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .protocol import Job

BENCHMARKS = Path(__file__).parents[1]


class PeerError(Exception):
    """A loader did not start, or did not answer; the message says why."""


class Peer:
    """A loader that runs in its own environment.

    Args:
        module: of ``package``.
        python: the environment's interpreter.
        job: what it reads.
        name: of its files in the job's scratch folder.
        timeout_seconds: for its start, and for each answer beyond the seconds asked for.
        package: that has the module.

    Attributes:
        ready: what it told when it was ready.

    Raises:
        PeerError: it cannot take part.
    """

    def __init__(
        self,
        module: str,
        python: Path,
        job: Job,
        name: str,
        timeout_seconds: float,
        package: str = "peers",
    ) -> None:
        if not python.exists():
            raise PeerError(f"no {python}; benchmarks/setup_peers makes it")
        scratch = Path(job.scratch)
        path = scratch / f"{name}.json"
        path.write_text(json.dumps(asdict(job)), encoding="utf-8")
        self._errors = scratch / f"{name}.err"
        self._timeout_seconds = timeout_seconds
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(python), "-m", f"{package}.{module}", str(path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                cwd=BENCHMARKS,
                start_new_session=True,  # a group of its own, to be stopped as a whole
            )
        try:
            self.ready = self._answer(timeout_seconds)
        except BaseException:
            self.close()
            raise
        self._signal(signal.SIGSTOP)

    def ask(self, do: str, seconds: float = 0.0) -> dict[str, Any]:
        """Let it run for one command."""
        self._signal(signal.SIGCONT)
        try:
            assert self._process.stdin is not None
            line = json.dumps({"do": do, "seconds": seconds}) + "\n"
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
            return self._answer(self._timeout_seconds + 4 * seconds)
        except BrokenPipeError:
            raise PeerError(self._reason("it ended")) from None
        finally:
            self._signal(signal.SIGSTOP)

    def close(self) -> None:
        """End it and all its processes; it has nothing to keep."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _answer(self, timeout_seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], timeout_seconds)
        if not ready:
            raise PeerError(self._reason(f"no answer within {timeout_seconds:.0f} s"))
        line = self._process.stdout.readline()
        if not line:
            raise PeerError(self._reason("it ended"))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _reason(self, what: str) -> str:
        said = self._errors.read_text(encoding="utf-8", errors="replace").strip()
        return f"{what}: {said.splitlines()[-1][-300:]}" if said else what

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
