"""A problem: one source file that is not in the store as it should be, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

from fastload.errors import StoreFormatError
from fastload.store.checked_json import dump_json, load_json

__all__ = ["Problem", "dump_problems", "load_problems"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One source file that was not packed, or packed with a remark.

    Attributes:
        path: relative to the source folder; undecodable bytes kept by surrogateescape.
        reason: one sentence for a person.
        kind: one word for a program, such as "corrupt", "empty" or "unreadable".
    """

    path: str
    reason: str
    kind: str = "unreadable"


def dump_problems(problems: Iterable[Problem]) -> bytes:
    """One line of JSON a problem."""
    return b"".join(dump_json(asdict(problem)) + b"\n" for problem in problems)


def load_problems(lines: bytes, where: str) -> Iterator[Problem]:
    """What ``dump_problems`` wrote.

    Raises:
        StoreFormatError: a line is not such a problem.
    """
    for number, line in enumerate(lines.splitlines(), start=1):
        place = f"{where}, problem {number}"
        fields = load_json(line, place)
        if set(fields) != {"path", "reason", "kind"} or not all(
            isinstance(value, str) for value in fields.values()
        ):
            raise StoreFormatError(f"{place}: expected the strings path, reason and kind")
        yield Problem(fields["path"], fields["reason"], fields["kind"])
