"""What packing has to say about single files, and the counting of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

__all__ = ["Finding", "RefusedError", "Severity", "Tally", "TallyGroup"]

EXAMPLES_A_GROUP = 10


class Severity(str, Enum):
    """How much a finding matters.

    A *problem* is a file that should have been packed and could not be. *Ignored* is a file that
    torchvision's ImageFolder would not list either. A *note* is about a file that was packed, or
    about no file at all.
    """

    PROBLEM = "problem"
    IGNORED = "ignored"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to say about one file or folder of the source.

    Attributes:
        name: path relative to the source's root; bytes that are no UTF-8 kept by surrogateescape.
        severity: problem, ignored or note.
        kind: one word by which findings are grouped, such as ``"empty"`` or ``"corrupt"``.
        detail: what was expected and found, and what to do about it, for a person.
    """

    name: str
    severity: Severity
    kind: str
    detail: str

    def as_json(self) -> dict[str, str]:
        """For ``--json`` and ``--problems``."""
        return {
            "severity": self.severity.value,
            "kind": self.kind,
            "name": self.name,
            "detail": self.detail,
        }


class RefusedError(Exception):
    """A file that cannot be packed; ``kind`` and ``detail`` as in ``Finding``."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(kind, detail)
        self.kind = kind
        self.detail = detail

    def finding(self, name: str) -> Finding:
        """The problem to report for the file ``name``."""
        return Finding(name, Severity.PROBLEM, self.kind, self.detail)


@dataclass(slots=True)
class TallyGroup:
    """How many findings of one kind there are, with the first of them."""

    count: int = 0
    examples: list[Finding] = field(default_factory=list)


class Tally:
    """Findings counted by severity and kind; memory does not grow with their number."""

    def __init__(self, findings: Iterable[Finding] = ()) -> None:
        self._groups: dict[tuple[Severity, str], TallyGroup] = {}
        for finding in findings:
            self.add(finding)

    def add(self, finding: Finding) -> None:
        """Count one finding, and keep it as an example where its group still has few."""
        group = self._groups.setdefault((finding.severity, finding.kind), TallyGroup())
        group.count += 1
        if len(group.examples) < EXAMPLES_A_GROUP:
            group.examples.append(finding)

    def listener(self, also: Callable[[Finding], None] | None) -> Callable[[Finding], None]:
        """What counts each finding it is called with, and passes it on."""

        def note(finding: Finding) -> None:
            self.add(finding)
            if also is not None:
                also(finding)

        return note

    def count(self, severity: Severity) -> int:
        """The number of findings of this severity."""
        return sum(group.count for key, group in self._groups.items() if key[0] is severity)

    def groups(self, severity: Severity) -> dict[str, TallyGroup]:
        """The groups of this severity by kind, largest first."""
        chosen = [
            (kind, group) for (found, kind), group in self._groups.items() if found is severity
        ]
        return dict(sorted(chosen, key=lambda item: (-item[1].count, item[0])))

    def as_json(self, severity: Severity) -> dict[str, Any]:
        """The groups of this severity for programs: kind -> count and examples."""
        return {
            kind: {
                "count": group.count,
                "examples": [
                    {"name": finding.name, "detail": finding.detail} for finding in group.examples
                ],
            }
            for kind, group in self.groups(severity).items()
        }
