"""The native core, or an error that says how to build it.

``from fastload import _core`` ends here where ``fastload/_core*.so`` was not imported before: a
missing core must say so at once, since there is no slower path to fall back on.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fastload.errors import BuildError

if TYPE_CHECKING:
    from fastload import _core

__all__ = ["_core"]


def _missing_core(package: Path) -> BuildError:
    """The error for a package folder without a core.

    Args:
        package: the folder of the ``fastload`` that Python found.
    """
    message = f"fastload's native core was expected beside {package / '__init__.py'}, and is not."
    if (package / "csrc").is_dir():  # sources are never installed
        remedy = (
            "This is a source checkout, which hides any fastload that is installed. "
            f"Start Python in another folder than {package.parent}, or build the core in place: "
            f"pip install -e {package.parent}"
        )
    else:
        remedy = "Install it again: pip install --force-reinstall --no-deps fastload"
    return BuildError(f"{message} {remedy}", name="fastload._core")


def __getattr__(name: str) -> object:
    if name != "_core":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return import_module("fastload._core")
    except ModuleNotFoundError as error:
        if error.name != "fastload._core":
            raise
        raise _missing_core(Path(__file__).parent) from None
    except ImportError as error:  # found, but the linker could not load it
        raise BuildError(
            f"fastload's native core could not be loaded: {error}. Where a library is missing, "
            "install libjpeg-turbo's runtime (Debian: libjpeg62-turbo, Ubuntu: libjpeg-turbo8), "
            "or build fastload again for this Python.",
            name="fastload._core",
        ) from error
