"""Histograms in the terminal."""

from __future__ import annotations

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from fastload.convert.histograms import Histograms
from fastload.convert.names import printable

__all__ = ["histogram", "histograms"]

ROWS_SHOWN = 20
BAR_WIDTH = 32
NAME_WIDTH = 30


def histograms(console: Console, found: Histograms) -> Group:
    """All that are not empty, each as a table with bars."""
    return Group(
        *(
            histogram(console, title, counts)
            for title, counts in (
                ("Photos a class", found.photos_by_class),
                ("Objects a class", found.objects_by_class),
                ("Objects a photo", found.photos_by_objects),
                ("Height x width, pixels", found.photos_by_height_width),
                ("Bytes a photo", found.photos_by_bytes),
                ("Side of boxes, pixels (root of the area)", found.objects_by_box_side),
                ("Boxes, percent of the picture", found.objects_by_box_share),
            )
            if counts
        )
    )


def histogram(console: Console, title: str, counts: dict[str, int]) -> Table:
    """One histogram; of more than 20 rows the largest."""
    block = "\u2588" if console.encoding.lower().startswith("utf") else "#"
    rows = list(counts.items())
    if len(rows) > ROWS_SHOWN:
        rows = sorted(rows, key=lambda row: -row[1])[:ROWS_SHOWN]
        title += f": the largest {ROWS_SHOWN} of {len(counts):,} (--json has them all)"
    table = Table(
        title=Text(title), title_justify="left", title_style="bold", show_header=False, box=None,
        padding=(0, 1),
    )  # fmt: skip
    table.add_column(max_width=NAME_WIDTH, no_wrap=True, overflow="ellipsis")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    largest = max(counts.values()) or 1
    for name, count in rows:
        bar = Text(block * round(BAR_WIDTH * count / largest), style="blue")
        table.add_row(Text(printable(name)), f"{count:,}", bar)
    return table
