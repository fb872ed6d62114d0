"""Class names as a store wants them: each once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["unique_names"]


def unique_names(names: Sequence[str], note: Callable[[str], object]) -> tuple[str, ...]:
    """Names in order; one that stands twice gets its class id behind it, and ``note`` is told."""
    found: dict[str, None] = {}
    for number, name in enumerate(names):
        while name in found:
            note(f"the class {number} is called {name!r} like another; renamed")
            name = f"{name} [{number}]"
        found[name] = None
    return tuple(found)
