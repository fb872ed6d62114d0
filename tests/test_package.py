"""The package's face: what ``import fastload`` gives, costs, and says where it is broken."""

from __future__ import annotations

import ast
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastload

PACKAGE = Path(fastload.__file__).parent
CHECKOUT = Path(__file__).parent.parent

#: An editable installation's hook would find the package wherever Python starts.
WITHOUT_EDITABLE_HOOK = """
import sys
sys.meta_path[:] = [f for f in sys.meta_path if "ScikitBuild" not in type(f).__name__]
"""


def run_python(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run ``code`` in a fresh interpreter, with warnings as errors."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_EDITABLE_HOOK + code],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        **options,  # type: ignore[call-overload]
    )


@pytest.mark.skipif(
    os.environ.get("FASTLOAD_TEST_INSTALLED") != "1", reason="only tools/test promises this"
)
def test_the_installed_package_is_under_test_and_not_the_checkout():
    """A checkout that shadows the build would test other code than users get."""
    assert not PACKAGE.is_relative_to(CHECKOUT / "fastload")
    assert not list(PACKAGE.glob("csrc")), "sources are not part of an installation"
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "_core.pyi").is_file()


def test_all_is_sorted_and_every_name_in_it_resolves():
    """``__all__`` is the list that users and tools read."""
    assert fastload.__all__ == sorted(fastload.__all__)
    for name in fastload.__all__:
        assert getattr(fastload, name) is not None


def test_all_holds_every_error():
    """An error that is raised can be caught by a name at the top."""
    errors = importlib.import_module("fastload.errors")
    assert set(errors.__all__) <= set(fastload.__all__)


def test_names_for_type_checkers_are_those_of_all():
    """The TYPE_CHECKING block and ``__all__`` say the same."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    names = set()
    for node in block.body:
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        else:
            assert isinstance(node, ast.AnnAssign)
            names.add(node.target.id)
    assert names == set(fastload.__all__)


def test_unknown_name_is_an_attribute_error():
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'DataLaoder'"):
        _ = fastload.DataLaoder  # type: ignore[attr-defined]


def test_dir_lists_the_public_names():
    """For completion in an interpreter."""
    assert dir(fastload) == sorted(fastload.__all__)


def test_import_starts_no_thread_reads_no_environment_and_loads_nothing_heavy():
    """Importing must be free: it happens in every worker and every command."""
    done = run_python(
        f"""
import os, sys, threading
sys.path.insert(0, {str(PACKAGE.parent)!r})
reads = []
original = os._Environ.__getitem__
os._Environ.__getitem__ = lambda self, key: (reads.append(key), original(self, key))[1]
before = set(sys.modules)
import fastload
assert reads == [], reads
assert threading.active_count() == 1
heavy = {{"torch", "torchvision", "numpy", "PIL", "lmdb", "click", "rich", "fastload._core"}}
assert not heavy & (set(sys.modules) - before)
"""
    )
    assert done.returncode == 0, done.stderr


def test_store_and_its_errors_need_no_torch():
    """Programs that only pack or look must not wait seconds for torch."""
    code = "import sys; sys.modules['torch'] = None\nimport fastload\n"
    code += "fastload.Store, fastload.StoreWriter, fastload.RecordError, fastload.__version__"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def copy_of_package(folder: Path, *, with_sources: bool) -> Path:
    """The package's Python files without the core."""
    package = folder / "fastload"
    shutil.copytree(
        PACKAGE, package, ignore=shutil.ignore_patterns("*.so", "csrc", "__pycache__", "*.pyi")
    )
    if with_sources:
        (package / "csrc").mkdir()
    return package


def test_missing_core_in_a_checkout_says_how_to_build(tmp_path):
    """The usual accident: Python started in the checkout, which shadows the installation."""
    copy_of_package(tmp_path, with_sources=True)
    done = run_python("import fastload; fastload.Store", cwd=tmp_path)
    assert done.returncode != 0
    assert "BuildError" in done.stderr
    assert "source checkout, which hides any fastload that is installed" in done.stderr
    assert f"pip install -e {tmp_path}" in done.stderr


def test_missing_core_in_an_installation_says_to_install_again(tmp_path):
    """Where there is no source beside it, there is nothing to build."""
    copy_of_package(tmp_path, with_sources=False)
    done = run_python("import fastload; fastload.Store", cwd=tmp_path)
    assert done.returncode != 0
    assert "BuildError" in done.stderr
    assert "pip install --force-reinstall" in done.stderr


def test_core_that_the_linker_refuses_names_the_cause(tmp_path):
    """Such as a libjpeg that went away with an upgrade of the system."""
    package = copy_of_package(tmp_path, with_sources=False)
    (package / "_core.so").write_bytes(b"no library")
    done = run_python("import fastload; fastload.Store", cwd=tmp_path)
    assert done.returncode != 0
    assert "BuildError" in done.stderr
    assert "could not be loaded" in done.stderr


def test_version_is_that_of_the_metadata():
    """pyproject.toml is the only place that says it."""
    from importlib.metadata import version

    assert fastload.__version__ == version("fastload")
