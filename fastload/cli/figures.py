"""Numbers and lists as text."""

from __future__ import annotations

from collections.abc import Mapping

from fastload.convert.counted import counted
from fastload.convert.findings import Severity, Tally
from fastload.convert.names import printable
from fastload.convert.summary import Contents

__all__ = ["counts", "findings", "given_up", "growth", "size"]

NAMES_SHOWN = 5


def size(count: float) -> str:
    """Bytes in decimal units: ``36.7 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def counts(values: Mapping[str, int]) -> str:
    """``330 tiles, 3 jpeg``; largest first."""
    ranked = sorted(values.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {printable(name)}" for name, count in ranked)


def findings(tally: Tally, severity: Severity, *, details: bool = True) -> list[str]:
    """Lines on all findings of one severity: a line a kind, then the first files of that kind."""
    lines = []
    for kind, group in tally.groups(severity).items():
        shown = group.examples[:NAMES_SHOWN]
        more = f", and {group.count - len(shown):,} more" if group.count > len(shown) else ""
        if details:
            lines.append(f"  {kind}: {group.count:,}")
            lines += [f"    {printable(found.name) or '(the store)'}: {printable(found.detail)}"
                      for found in shown]  # fmt: skip
            if more:
                lines.append(f"    {more[2:]}")
        else:
            names = ", ".join(printable(found.name) for found in shown)
            lines.append(f"  {kind}: {group.count:,} ({names}{more})")
    return lines


def growth(contents: Contents, store_bytes: int, about: str = "") -> str:
    """``36.7 MB and 0.2 MB of labels -> 37.6 MB (+2.4 %)``."""
    labels = f" and {size(contents.label_bytes)} of labels" if contents.label_bytes else ""
    return (
        f"{size(contents.source_bytes)}{labels} -> {about}{size(store_bytes)} "
        f"({contents.growth_percent(store_bytes):+.1f} %)"
    )


def given_up(contents: Contents, width: int) -> list[str]:
    """What is said of photos whose files are not in the store; ``width``: of the first column."""
    changes = {
        "made smaller": contents.reduced,
        "as their pixels": contents.codecs.get("raw", 0),
    }
    lines = []
    for what, count in changes.items():
        if count:
            one, more = f"photo {what}: its own file is", f"photos {what}: their own files are"
            lines.append(f"  {'changed':{width}} {counted(count, one, more)} not in the store")
    return lines
