"""What ``fastload convert`` says at its end."""

from __future__ import annotations

from fastload.cli.figures import counts, findings, given_up, growth, size
from fastload.convert import Severity, Summary
from fastload.convert.counted import counted
from fastload.convert.names import printable
from fastload.convert.summary import Contents

__all__ = ["summary_lines"]


def summary_lines(summary: Summary, *, refused: bool) -> list[str]:
    """The summary, line by line; ``refused``: nothing is published, as ``strict`` asks."""
    contents, tally = summary.contents, summary.tally
    stores = ", ".join(printable(str(path)) for path in summary.stores)
    about = "about " if summary.dry_run else ""
    lines = []
    if summary.published or summary.dry_run:
        photos = f"{counted(contents.photos, 'photo')} of {printable(summary.source)}"
        verb = "is" if contents.photos == 1 else "are"
        lines = [
            f"{photos} would be in {stores}; nothing was written"
            if summary.dry_run
            else f"{photos} {verb} in {stores}",
            f"  layout   {summary.layout}, {counted(summary.class_count, 'class', 'classes')}"
            + (f", {counts(contents.splits)}" if contents.splits else ""),
            f"  size     {growth(contents, summary.store_bytes, about)}",
            *_shards(summary),
            f"  codecs   {counts(contents.codecs)}",
            *given_up(contents, 8),
            *_labels(contents),
            *_changes(summary),
            f"  this run {_rate(summary)}",
        ]
    if summary.problems_count:
        lines += [f"{counted(summary.problems_count, 'file')} could not be packed:"]
        lines += findings(tally, Severity.PROBLEM)
    if refused and summary.dry_run:
        lines.append("--strict: nothing would be published")
    elif refused:
        lines.append(
            f"{stores}: nothing was published, as --strict asks. The same command without "
            "--strict publishes the rest; with --restart it packs again what was mended."
        )
    for severity, title in ((Severity.NOTE, "Notes:"), (Severity.IGNORED, "Ignored files:")):
        if tally.count(severity):
            lines += [title, *findings(tally, severity, details=severity is Severity.NOTE)]
    return lines


def _labels(contents: Contents) -> list[str]:
    if not contents.labels:
        return []
    objects = counted(contents.objects, "object")
    return [f"  labels   {objects}; labels {counts(contents.labels)}"]


def _shards(summary: Summary) -> list[str]:
    if not summary.shards:
        return []
    kept = f", {summary.kept_shards:,} of them kept as they were" if summary.kept_shards else ""
    return [f"  shards   {summary.shards:,}{kept}"]


def _changes(summary: Summary) -> list[str]:
    """What an update did."""
    if summary.changes is None:
        return []
    found = summary.changes.as_json()
    text = ", ".join(f"{count:,} {what}" for what, count in found.items() if count)
    return [f"  update   {text}"]


def _rate(summary: Summary) -> str:
    seconds = max(summary.seconds, 1e-9)
    text = f"no photo was to be packed, {summary.seconds:,.1f} s"
    if summary.packed_photos:
        text = (
            f"{counted(summary.packed_photos, 'photo')} in {summary.seconds:,.1f} s: "
            f"{summary.packed_photos / seconds:,.0f} photos/s, "
            f"{size(summary.packed_bytes / seconds)}/s"
        )
    resumed = summary.contents.photos - summary.packed_photos
    return text + (f"; {counted(resumed, 'was', 'were')} packed before" if resumed else "")
