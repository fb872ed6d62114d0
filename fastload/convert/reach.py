"""A photo's labels, with a remark where boxes reach out of the picture."""

from __future__ import annotations

from dataclasses import replace

from fastload.convert.findings import Finding, Severity
from fastload.convert.labelled import Labelled, PhotoSize
from fastload.convert.sources import Source, SourceItem

__all__ = ["label_photo"]

# Labelling programs round, and some count pixels from 1: so far out is no mistake in a label.
_SLACK_PIXELS = 1.0
_SLACK_SHARE = 0.01


def label_photo(source: Source, item: SourceItem, size: PhotoSize) -> Labelled | None:
    """What the source says of a photo; boxes that reach out of it stay as they are, and are said.

    Args:
        source: the data set.
        item: the photo.
        size: of its file, as stored.
    """
    labelled = source.label(item, size)
    if labelled is None or not len(labelled.labels.objects):
        return labelled
    labels = labelled.labels
    height, width = size.upright if labels.upright else (size.height, size.width)
    boxes = labels.objects.boxes
    across, down = (_SLACK_PIXELS + _SLACK_SHARE * side for side in (width, height))
    outside = (
        (boxes[:, 0] < -across) | (boxes[:, 1] < -down)
        | (boxes[:, 2] > width + across) | (boxes[:, 3] > height + down)
    )  # fmt: skip
    if not outside.any():
        return labelled
    first = int(outside.argmax())
    corners = " ".join(f"{number:g}" for number in boxes[first].tolist())
    remark = Finding(
        item.name if labels.file is None else labels.file.name, Severity.NOTE, "box-outside",
        f"{int(outside.sum())} of {len(boxes)} boxes reach out of the picture of height, width "
        f"{height, width}, the first is object {first + 1}: {corners} (left, top, right, bottom); "
        "packed as they are",
    )  # fmt: skip
    return replace(labelled, findings=(*labelled.findings, remark))
