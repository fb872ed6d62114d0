"""``fastload convert --shards``: a folder that every other command takes as a store."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from fastload.cli.commands import main
from fastload.cli.sharding import ByteSize
from support.trees import image_folder


def run(*arguments: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def test_a_folder_of_shards_is_a_store_to_all_commands(tmp_path: Path) -> None:
    source, out = image_folder(tmp_path / "src"), tmp_path / "set"
    assert "12 photos" in run("convert", source, out, "--shards", 2, "--deal")
    assert "all as packed" in run("verify", out, "--source", source)
    assert json.loads(run("inspect", out, "--json"))["store"] == str(out)
    assert "12 files" in run("unpack", out, tmp_path / "back")
    assert "--overwrite" in run("convert", source, out, "--shards", 2, code=1)
    assert "shards   2, 2 of them kept" in run("convert", source, out, "--update")
    assert "12 photos" in run("convert", source, out, "--shard-bytes", "1GB", "--overwrite")


@pytest.mark.parametrize(
    "options",
    [
        ["--deal"],
        ["--engine", "ray"],
        ["--shards", "2", "--shard-bytes", "1GB"],
        ["--shards", "0"],
        ["--shard-bytes", "much"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_go_together_are_wrong_usage(
    tmp_path: Path, options: list[str]
) -> None:
    run("convert", tmp_path, tmp_path / "out", *options, code=2)


@pytest.mark.parametrize(
    ("text", "size"),
    [("7", 7), ("1GB", 10**9), ("1.5kb", 1500), ("2 MiB", 2 << 20), ("3T", 3 * 10**12)],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert ByteSize().convert(text, None, None) == size
    with pytest.raises(click.BadParameter):
        ByteSize().convert(f"{text}x", None, None)
