"""The commands: what they print, their exit codes, and how they end when interrupted."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from fastload.cli.commands import main
from fastload.store import partial_path
from support.trees import image_folder, snapshot, write_photo
from support.yolo import yolo_set

# Run from "/", or the checkout would stand before the installed package.
FASTLOAD = [sys.executable, "-m", "fastload.cli"]
ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path, code: int = 0) -> str:
    """The output of a command that must end with ``code``; with stderr where it is not 0.

    In this process, as a script would call it: a new one takes half a second to begin.
    """
    written, errors = (
        io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)
    )
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with redirect_stdout(written), redirect_stderr(errors), pytest.raises(SystemExit) as end:
            main([*map(str, arguments)])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    stdout, stderr = (stream.buffer.getvalue().decode() for stream in (written, errors))
    assert end.value.code == code, (stdout, stderr)
    assert "Traceback" not in stderr
    return stdout + (stderr if code else "")


def run_process(*arguments: str | Path, code: int = 0, **options: object) -> str:
    """Likewise of a new process, started in "/"."""
    done = subprocess.run([*FASTLOAD, *map(str, arguments)], capture_output=True, text=True,
                          timeout=120, check=False, cwd="/", **options)  # type: ignore[call-overload]  # fmt: skip
    assert done.returncode == code, done
    assert "Traceback" not in done.stderr, done
    return str(done.stdout + (done.stderr if code else ""))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return image_folder(tmp_path / "src")


@pytest.fixture
def store(source: Path, tmp_path: Path) -> Path:
    run("convert", source, tmp_path / "out.lmdb", "--quiet")
    return tmp_path / "out.lmdb"


def test_nothing_imports_torch(source: Path, tmp_path: Path) -> None:
    out, back = tmp_path / "out.lmdb", tmp_path / "back"
    code = (
        "import json, sys; sys.modules['torch'] = None; from fastload.cli.commands import main\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    try: main(arguments)\n"
        "    except SystemExit as end: assert end.code == 0"
    )
    commands = (["--version"], ["convert", source, out], ["inspect", out], ["verify", out],
                ["unpack", out, back])  # fmt: skip
    subprocess.run([sys.executable, "-c", code, json.dumps(commands, default=str)], check=True,
                   capture_output=True, timeout=60, cwd="/")  # fmt: skip
    assert snapshot(back) == snapshot(source)


def test_version() -> None:
    assert run_process("--version").startswith("fastload, version ")


def test_help_documents_exit_codes() -> None:
    for command in ("convert", "duplicates", "inspect", "verify", "unpack"):
        text = run(command, "--help")
        assert "Exit codes:" in text
        assert "130" in text


def test_convert_says_what_it_did(source: Path, tmp_path: Path) -> None:
    text = run("convert", source, tmp_path / "out.lmdb")
    for part in ("12 photos", "imagefolder, 3 classes", "12 tiles", "photos/s"):
        assert part in text


def test_json_is_one_document(source: Path, tmp_path: Path) -> None:
    found = json.loads(run("convert", source, tmp_path / "out.lmdb", "--json"))
    assert (found["photos"], found["classes"], found["problems_count"]) == (12, 3, 0)
    assert found["published"] is True
    assert json.loads(run("inspect", tmp_path / "out.lmdb", "--json"))["photos"] == 12
    verified = json.loads(run("verify", tmp_path / "out.lmdb", "--source", source, "--json"))
    assert verified["differences_count"] == 0
    done = json.loads(run("unpack", tmp_path / "out.lmdb", tmp_path / "back", "--json"))
    assert done["files"] == 12
    error = run("convert", source, tmp_path / "out.lmdb", "--json", code=1)
    assert json.loads(error.splitlines()[0])["error"] == "PackError"


def test_bad_files_give_code_4_and_a_list(source: Path, tmp_path: Path) -> None:
    (source / "class_0" / "bad\n.jpg").write_bytes(b"")
    (source / "class_1" / os.fsdecode(b"\xff.jpg")).write_bytes(b"junk")
    write_photo(source / "class_0" / "x.png")
    lines = tmp_path / "problems.jsonl"
    text = run("convert", source, tmp_path / "out.lmdb", "--problems", lines, code=4)
    assert "2 files could not be packed" in text
    assert "class_0/bad\\n.jpg: the file has no bytes" in text
    assert "class_1/\\xff.jpg: Pillow cannot identify it" in text
    found = {(f["name"], f["severity"], f["kind"])
             for f in map(json.loads, lines.read_text().splitlines())}  # fmt: skip
    assert found == {
        ("class_0/bad\n.jpg", "problem", "empty"),
        (os.fsdecode(b"class_1/\xff.jpg"), "problem", "not-an-image"),
        ("class_0/x.png", "note", "misnamed"),
    }


def test_strict_gives_code_3_and_no_store(source: Path, tmp_path: Path) -> None:
    (source / "class_0" / "bad.jpg").write_bytes(b"")
    text = run("convert", source, tmp_path / "out.lmdb", "--strict", code=3)
    assert "nothing was published" in text
    assert not (tmp_path / "out.lmdb").exists()
    found = json.loads(run("convert", source, tmp_path / "out.lmdb", "--strict", "--json", code=3))
    assert found["published"] is False


def test_a_folder_of_nothing_but_bad_files_gives_code_1_and_no_store(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "bad.jpg").write_bytes(b"")
    lines = tmp_path / "problems.jsonl"
    text = run("convert", tmp_path / "src", tmp_path / "o.lmdb", "--problems", lines, code=1)
    assert "no file could be packed, and nothing was published" in text
    assert json.loads(lines.read_text())["kind"] == "empty"
    assert not list(tmp_path.glob("o.lmdb*"))


def test_errors_are_one_line(source: Path, store: Path, tmp_path: Path) -> None:
    for arguments, part in (
        (["convert", source, store], "--overwrite"),
        (["convert", source, source / "x.lmdb"], "inside the source"),
        (["convert", tmp_path / "src" / "class_0", tmp_path], "found a folder"),
        (["inspect", source / "class_0" / "photo_000.jpg"], "photo_000.jpg"),
        (["verify", source / "class_0" / "photo_000.jpg"], "photo_000.jpg"),
    ):  # fmt: skip
        text = run(*arguments, code=1)
        assert part in text
        assert len(text.splitlines()) == 1, text


def test_wrong_usage_gives_code_2(source: Path, tmp_path: Path) -> None:
    run_process("convert", source, code=2)
    run("convert", tmp_path / "none", tmp_path / "o.lmdb", code=2)
    run("convert", source, tmp_path / "o.lmdb", "--layout", "x", code=2)
    run("frobnicate", code=2)


def test_verify_gives_code_3_where_something_differs(store: Path, source: Path) -> None:
    assert "all as packed" in run("verify", store, "--deep")
    (source / "class_0" / "photo_001.jpg").write_bytes(b"other")
    text = run("verify", store, "--source", source, code=3)
    assert "class_0/photo_001.jpg" in text


def test_unpack_gives_code_4_where_a_file_is_in_the_way(store: Path, tmp_path: Path) -> None:
    (tmp_path / "back" / "class_0").mkdir(parents=True)
    (tmp_path / "back" / "class_0" / "photo_001.jpg").write_bytes(b"mine")
    assert "photo_001.jpg" in run("unpack", store, tmp_path / "back", code=4)


def test_inspect_shows_figures(store: Path) -> None:
    text = run("inspect", store)
    for part in ("12 photos", "12 tiles", "class_2", "Longer side"):
        assert part in text
    assert "changed" not in text


def test_inspect_says_which_photos_were_changed(source: Path, tmp_path: Path) -> None:
    run("convert", source, tmp_path / "s.lmdb", "--max-side", "16", "--format", "raw", "--quiet")
    text = run("inspect", tmp_path / "s.lmdb")
    for what in ("made smaller", "as their pixels"):
        assert f"  changed   12 photos {what}: their own files are not in the store\n" in text
    assert json.loads(run("inspect", tmp_path / "s.lmdb", "--json"))["photos_reduced"] == 12


def test_quiet_is_quiet(source: Path, tmp_path: Path) -> None:
    assert run("convert", source, tmp_path / "o.lmdb", "-q") == ""
    assert run("verify", tmp_path / "o.lmdb", "-q") == ""
    assert run("unpack", tmp_path / "o.lmdb", tmp_path / "back", "-q") == ""


def test_names_in_an_ascii_locale(source: Path, tmp_path: Path) -> None:
    (source / "class_0" / "caf\u00e9.jpg").write_bytes(b"")
    environment = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    text = run_process("convert", source, tmp_path / "o.lmdb", code=4, env=environment)
    assert "caf" in text


def test_the_tool_is_the_same_command(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.lmdb"
    subprocess.run([sys.executable, ROOT / "tools" / "convert_dataset.py", source, out], check=True,
                   capture_output=True, timeout=60, cwd="/")  # fmt: skip
    assert "all as packed" in run("verify", out, "--source", source)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_signals_end_it_cleanly_and_it_goes_on(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    source = tmp_path / "src"
    first = write_photo(source / "c" / "0000.jpg", 700, 900)
    for index in range(1, 170):
        os.link(first, source / "c" / f"{index:04}.jpg")
    out = tmp_path / "out.lmdb"
    # By one thread: what is committed first, at 16 MB, is a quarter of it.
    process = subprocess.Popen([*FASTLOAD, "convert", str(source), str(out), "-j1"], text=True,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")  # fmt: skip
    partial = partial_path(out)
    while not partial.exists() or partial.stat().st_blocks * 512 < 8 << 20:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == code, (stdout, stderr)
    assert "interrupted" in stderr
    assert "The same command goes on" in stderr
    assert "Traceback" not in stderr
    assert not out.exists()
    found = json.loads(run("convert", source, out, "--json"))
    assert found["photos"] == 170
    assert found["resumed_photos"] > 0


def test_reports_are_not_written_into_the_source(source: Path, tmp_path: Path) -> None:
    before = snapshot(source)
    run("convert", source, tmp_path / "o.lmdb", "--problems", source / "bad.jsonl", code=2)
    store = tmp_path / "o.lmdb"
    run("convert", source, store)
    run("verify", store, "--source", source, "--problems", source / "bad.jsonl", code=2)
    assert "something else" in run("verify", store, "--problems", store, code=2)
    manifest = tmp_path / "manifest.json"
    manifest.write_text('{"format": "fastload-shards"}')
    assert "something else" in run("verify", store, "--problems", manifest, code=2)
    assert manifest.read_text() == '{"format": "fastload-shards"}'
    run("verify", store, "--problems", tmp_path / "p.jsonl")
    run("verify", store, "--problems", tmp_path / "p.jsonl")
    assert snapshot(source) == before


def test_labelled_data_sets_are_packed_shown_and_given_back(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 4)
    (tmp_path / "src/labels/val/p0.txt").write_text("7 .5 .5 .2 .2")
    out = tmp_path / "out.lmdb"
    text = run("convert", yaml, out, code=4)
    assert "2 objects" in text
    assert "labels/val/p0.txt" in text
    assert "line 1: expected a class of 0..1, found 7" in text
    text = run("convert", yaml, out, "--overwrite", "--labels", "yolov5")
    assert "3 objects" in text
    assert "3 objects" in run("inspect", out)
    assert json.loads(run("inspect", out, "--json"))["labels"] == {
        "missing": 1, "empty": 1, "present": 2,
    }  # fmt: skip
    run("verify", out, "--source", yaml)
    run("unpack", out, tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(tmp_path / "src")
