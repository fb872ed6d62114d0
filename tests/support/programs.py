"""Programs that end as programs do, without an interpreter's start for each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

# Imports what takes seconds, once. Each program goes on in a fork of it, and ends, exit handlers
# and all, as if it had been started by itself.
_DRIVER = """
import json, os, sys, tempfile, warnings
import torch
import torchvision.transforms
from fastload import AsyncCheckpointer, DataLoader, LMDBDataset

def written(file):
    file.seek(0)
    with file:
        return file.read().decode()

def ended():
    child, files = begun.pop(0)
    found.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), *map(written, files)])

found, begun, program = [], [], None
together = json.loads(sys.argv.pop(1))
for text in json.loads(sys.argv.pop(1)):
    files = [tempfile.TemporaryFile(), tempfile.TemporaryFile()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from Python 3.12 on fork warns of NumPy's threads
        child = os.fork()
    if child == 0:
        program = text
        for number, file in enumerate(files, 1):
            os.dup2(file.fileno(), number)
            file.close()
        for _, others in begun:
            for file in others:
                file.close()
        break
    begun.append((child, files))
    if not together:
        ended()
while program is None and begun:
    ended()
if program is None:
    print(json.dumps(found))
else:
    exec(compile(program, "program", "exec"))
"""


def run_programs(
    programs: Sequence[str], *arguments: object, together: bool = False
) -> list[subprocess.CompletedProcess[str]]:
    """Run programs; warnings are errors in them.

    Args:
        programs: their text.
        arguments: their ``sys.argv[1:]``.
        together: all at once, and not one after the other.

    Returns:
        How each ended, and what it wrote.
    """
    lists = [json.dumps(together), json.dumps(list(programs))]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", _DRIVER, *lists, *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [
        subprocess.CompletedProcess([text], code, out, errors)
        for text, (code, out, errors) in zip(programs, json.loads(done.stdout), strict=True)
    ]
