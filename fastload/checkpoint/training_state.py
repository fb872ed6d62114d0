"""All that a run needs to go on, gathered from its parts and given back to them."""

from __future__ import annotations

from typing import Any

from fastload.checkpoint.random_state import capture_random_state, restore_random_state

_RANDOM = "random"


def gather_state(**parts: Any) -> dict[str, Any]:
    """One mapping of the parts' ``state_dict()`` and the random numbers' states, for ``save``.

    Args:
        parts: models, optimizers, schedulers, scalers, loaders by names of your own. One without a
            ``state_dict`` is kept as it is, such as ``epoch=3``; a loader of torch's own has none
            and is left out.

    Raises:
        ValueError: a part is called "random", which is the name of the random numbers' states.
    """
    from torch.utils.data import DataLoader

    if _RANDOM in parts:
        raise ValueError(f"expected another name than {_RANDOM!r} for a part")
    state: dict[str, Any] = {}
    for name, part in parts.items():
        if hasattr(part, "state_dict"):
            state[name] = part.state_dict()
        elif not isinstance(part, DataLoader):
            state[name] = part
    state[_RANDOM] = capture_random_state()
    return state


def restore_state(state: dict[str, Any], **parts: Any) -> dict[str, Any]:
    """Give each part its own state back, and the random numbers theirs.

    Args:
        state: of ``gather_state``, loaded.
        parts: as there; those without ``load_state_dict`` are ignored.

    Returns:
        what is left of the state: the parts that were kept as they were.

    Raises:
        KeyError: the state has none for one of the parts.
    """
    left = dict(state)
    for name, part in parts.items():
        if hasattr(part, "load_state_dict"):
            part.load_state_dict(left.pop(name))
    restore_random_state(left.pop(_RANDOM))
    return left
