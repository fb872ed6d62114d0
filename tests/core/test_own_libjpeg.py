"""The core has a libjpeg-turbo of its own, whatever else of that name is in the process."""

from __future__ import annotations

import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from fastload import _core

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

#: Where there is no archive that fits, the build takes the shared library, but not where tools/test
#: has installed one.
IS_SHARED = b"libjpeg.so" in Path(_core.__file__).read_bytes()
PROMISED = os.environ.get("FASTLOAD_TEST_INSTALLED") == "1"


@pytest.mark.skipif(IS_SHARED and not PROMISED, reason="built with the shared libjpeg")
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
