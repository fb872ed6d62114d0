"""The core has a libjpeg-turbo of its own, whatever else of that name is in the process."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

#: An old libjpeg under the new one's name, as some wheels bring it.
STRANGER = """
#include <stdlib.h>
void jpeg_CreateDecompress(void) { abort(); }
void jpeg_std_error(void) { abort(); }
"""

PROGRAM = """
import ctypes, os, sys
ctypes.CDLL(sys.argv[1], os.RTLD_NOW | os.RTLD_GLOBAL)
from fastload import _core
print(_core.jpeg_check(open(sys.argv[2], "rb").read()))
"""


@pytest.mark.parametrize("name", ["libjpeg.so.62", "libjpeg.so.8"])
def test_another_libjpeg_of_the_process_is_not_asked(tmp_path: Path, name: str) -> None:
    """A progressive photo, which libjpeg decodes, behind a library that would abort."""
    source, library = tmp_path / "stranger.c", tmp_path / name
    source.write_text(STRANGER)
    command = [os.environ.get("CC", "cc"), "-shared", "-fPIC", f"-Wl,-soname,{name}"]
    subprocess.run([*command, str(source), "-o", str(library)], check=True)
    photo = BytesIO()
    Image.new("RGB", (40, 30), "teal").save(photo, "JPEG", progressive=True)
    path = tmp_path / "photo.jpg"
    path.write_bytes(photo.getvalue())
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(library), str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(0, 30, 40)\n"
