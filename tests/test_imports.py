"""Imports point downwards only, and the dangerous ones stay out. Read from the syntax tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import fastload
from support.pictures import picture

PACKAGE = Path(fastload.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

#: From the bottom to the top. A module imports from layers below, and from its own folder.
LAYERS = (
    {"errors", "version", "closing"},
    {"disk"},
    {"_core"},
    {"native", "restore_dictionary"},
    {"records", "jpeg", "pixels"},
    {"store", "picture"},
    {"detection"},
    {"dataset", "convert"},
    {"sampler"},
    {"transforms"},
    {"engine"},
    {"loader"},
    {"profiler", "tune", "overlap", "checkpoint", "background", "policy", "subset", "epoch_log"},
    {"second_step"},
    {"cli", "integrations"},
)
RANKS = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}

#: Who may import what takes long to import, or must have one home.
HOMES = {
    "torch": {"dataset", "sampler", "transforms", "engine", "loader", "profiler", "tune"}
    | {"detection", "overlap", "checkpoint", "background", "policy", "second_step", "integrations"},
    "torchvision": {"detection", "transforms", "engine", "loader", "integrations"},
    "lmdb": {"store"},
    "fsspec": {"store"},
    "tenacity": {"store"},
    "ray": {"convert"},
    "click": {"cli"},
    "rich": {"cli"},
    "cv2": set(),
}
BANNED_MODULES = {"pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve"}
BANNED_CALLS = {"eval", "exec", "compile", "__import__"}

#: The audited places: one that pickles and never unpickles, one that a user must ask for by name.
MAY_PICKLE = "checkpoint/pickling.py"
MAY_LOAD_PICKLES = "checkpoint/trusted_load.py"


def layer_of(path: Path) -> str:
    """The name, directly under the package, that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, absolute dotted name) of all that a file imports, wherever it stands in it."""
    package = ("fastload", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            home = ".".join(filter(None, (base, node.module)))
            for alias in node.names:
                yield node.lineno, f"{home}.{alias.name}"


def identify(path: Path) -> str:
    """A test's name for a file."""
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_imports_point_downwards(path: Path):
    """A cycle of layers is where understanding a module begins to need all others."""
    layer = layer_of(path)
    if layer == "__init__":  # names everything, lazily
        return
    assert layer in RANKS, f"{layer}: give it a place in LAYERS"
    for line, name in imports(path):
        parts = name.split(".")
        if parts[0] != "fastload" or len(parts) == 1:
            continue
        target = parts[1]
        where = f"{path}:{line} imports {name}"
        assert target in RANKS, f"{where}, which is in no layer; name the module, not the package"
        assert target == layer or RANKS[target] < RANKS[layer], f"{where}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_slow_and_shared_libraries_are_imported_only_at_home(path: Path):
    """Torch takes seconds to import; LMDB's file must have one owner."""
    for line, name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        assert homes is None or layer_of(path) in homes, f"{path}:{line} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_nothing_that_runs_code_from_data(path: Path):
    """A store or a checkpoint that someone else made must not run code."""
    place = identify(path)
    for line, name in imports(path):
        audited = place == MAY_PICKLE and name == "pickle.Pickler"
        assert audited or name.split(".")[0] not in BANNED_MODULES, f"{path}:{line} imports {name}"
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if not isinstance(node, ast.Call):
            continue
        where = f"{path}:{node.lineno}"
        if isinstance(node.func, ast.Name):
            assert node.func.id not in BANNED_CALLS, f"{where} calls {node.func.id}"
        options = {keyword.arg: keyword.value for keyword in node.keywords}
        unsafe = options.get("weights_only"), options.get("allow_pickle")
        for value in unsafe:
            audited = place == MAY_LOAD_PICKLES and value is options.get("weights_only")
            assert (
                audited
                or value is None
                or (
                    isinstance(value, ast.Constant)
                    and value.value is (value is options.get("weights_only"))
                )
            ), f"{where} loads with pickle"
        if isinstance(node.func, ast.Attribute) and node.func.attr == "load":
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "torch":
                assert "weights_only" in options, f"{where}: torch.load without weights_only"


def test_the_bans_bite(tmp_path, monkeypatch):
    """The checks above find what they look for."""
    monkeypatch.setattr(sys.modules[__name__], "PACKAGE", tmp_path)
    bad = tmp_path / "records.py"
    for source in (
        "import pickle",
        "from pickle import loads",
        "eval('1')",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "numpy.load(f, allow_pickle=True)",
    ):
        bad.write_text(source)
        with pytest.raises(AssertionError):
            test_nothing_that_runs_code_from_data(bad)
    for source in ("from fastload import dataset", "from fastload.store.reader import Store"):
        bad.write_text(source)
        with pytest.raises(AssertionError, match="not below"):
            test_imports_point_downwards(bad)
    for source in ("import torch.utils.data", "def f():\n    from lmdb import open"):
        bad.write_text(source)
        with pytest.raises(AssertionError):
            test_slow_and_shared_libraries_are_imported_only_at_home(bad)
    bad.write_text("torch.load(f, weights_only=True)\nfrom fastload import _core, errors\n")
    test_nothing_that_runs_code_from_data(bad)
    test_imports_point_downwards(bad)


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_modules_stay_short(path: Path):
    """One noun a file; what grows past 400 lines has become two."""
    assert len(path.read_text().splitlines()) <= 400


def test_convert_runs_with_torch_blocked(tmp_path):
    """Packing, verifying, inspecting and unpacking on a machine where torch cannot be imported."""
    source = tmp_path / "photos" / "a"
    source.mkdir(parents=True)
    Image.fromarray(picture(60, 90)).save(source / "1.jpg")
    store = tmp_path / "out.lmdb"
    commands = (
        ["convert", str(source.parent), str(store), "--quiet"],
        ["verify", str(store), "--source", str(source.parent)],
        ["inspect", str(store), "--json"],
        ["unpack", str(store), str(tmp_path / "back")],
    )
    for command in commands:
        code = (
            "import sys; sys.modules['torch'] = sys.modules['torchvision'] = None\n"
            "from fastload.cli.commands import main\n"
            f"sys.argv = ['fastload', *{command!r}]\n"
            "main()"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    assert (tmp_path / "back/a/1.jpg").read_bytes() == (source / "1.jpg").read_bytes()
