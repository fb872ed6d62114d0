"""Which splits are there to learn from, and which to be measured by."""

from __future__ import annotations

__all__ = ["most_held_out", "role_of"]

_TRAIN = ("train", "training", "trainval")
_TEST = ("test", "testing")
_VAL = ("val", "valid", "validation", "minival")


def role_of(split: str) -> str:
    """The split's name without what tells data sets apart: "train2017" is "train"."""
    plain = split.lower().rstrip("0123456789").rstrip("-_. ")
    return plain or split


def most_held_out(split: str) -> int:
    """Higher for what must stay unseen: 0 training, 1 any other, 2 validation, 3 test."""
    role = role_of(split)
    if role in _TRAIN:
        return 0
    return 3 if role in _TEST else 2 if role in _VAL else 1
