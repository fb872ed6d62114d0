"""Packs a folder of photos into an LMDB store: the same as ``fastload convert``.

python tools/convert_dataset.py FOLDER OUT.lmdb [OPTIONS]
"""

from __future__ import annotations

from fastload.cli.convert import convert

if __name__ == "__main__":
    convert(prog_name="convert_dataset.py")
