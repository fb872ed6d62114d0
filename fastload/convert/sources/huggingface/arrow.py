"""pyarrow, where it is needed and not before."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from fastload.convert.labelled import LabelError
from fastload.errors import SourceError

__all__ = ["arrow", "arrow_errors", "has_arrow", "parquet"]


def has_arrow() -> bool:
    """Whether pyarrow is installed."""
    try:
        import_module("pyarrow")
    except ImportError:
        return False
    return True


def arrow() -> Any:
    """The module ``pyarrow``.

    Raises:
        SourceError: it is not installed.
    """
    try:
        return import_module("pyarrow")
    except ImportError:
        raise SourceError(
            "reading Hugging Face image sets needs pyarrow: pip install 'fastload[huggingface]'"
        ) from None


def parquet() -> Any:
    """The module ``pyarrow.parquet``; errors as above."""
    arrow()
    return import_module("pyarrow.parquet")


def arrow_errors() -> tuple[type[Exception], ...]:
    """What reading a file that is not what it should be raises."""
    return (arrow().ArrowException, OSError, ValueError, LookupError, ArithmeticError,
            LabelError)  # fmt: skip
