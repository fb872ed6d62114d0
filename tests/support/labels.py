"""Labels of every kind for small stores, the same at each call."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from fastload.store import (
    AnnotationHeader,
    Annotations,
    LabelFile,
    LabelState,
    Objects,
    SampleLabels,
    WriterHeader,
    attach,
)
from support.stores import HEADER, Sample, make_samples

_ATTACHED, FILES = attach(
    (
        ("data.yaml", b"names: [cat, dog]\n" * 20, 1_700_000_000_000_000_000, 0o100644),
        ("lists/\udcff.txt", b"x", -1, 0o100600),
        ("empty.json", b"", 0, 0),
    )
)
ANNOTATIONS = AnnotationHeader(
    layout="test",
    profile="none",
    object_fields=("crowd", "id", "area", "keypoints"),
    polygons=True,
    masks=True,
    image_ids=True,
    label_files=True,
    keypoint_shape=(2, 3),
    keypoint_names=("left", "right"),
    keypoint_flip=(1, 0),
    skeleton=((0, 1),),
    category_ids=(7, -3, 2**40),
    files=_ATTACHED,
)
LABELLED: WriterHeader = replace(HEADER, annotations=ANNOTATIONS)


def make_labels(index: int, source: random.Random) -> SampleLabels:
    """A sample's labels: each state, and objects with and without polygons and masks."""
    state = LabelState(index % 4)
    count = source.randrange(1, 5) if state is LabelState.PRESENT else 0
    polygons = [
        [np.array([[source.uniform(0, 99), n] for n in range(3 + ring)]) for ring in range(k % 3)]
        for k in range(count)
    ]
    masks = [[5, 6, source.randrange(9)] if k % 2 else [] for k in range(count)]
    objects = Objects.of(
        [source.randrange(4) for _ in range(count)],
        [[source.uniform(-1, 50), 2.5, 60.25, 1e-9] for _ in range(count)],
        fields={
            "crowd": [k % 2 for k in range(count)],
            "id": [2**60 + k for k in range(count)],
            "area": [source.random() for _ in range(count)],
            "keypoints": np.arange(count * 6.0).reshape(count, 2, 3),
        },
        polygons=polygons,
        masks=masks,
    )
    text = source.randbytes(source.randrange(50)) if index % 5 else b""
    file = LabelFile(f"labels/é{index}.txt", text, index - 3, 0o100644) if index % 3 else None
    return SampleLabels(state, objects, bool(index % 2), index - 5, file)


def labelled_samples(count: int, *, seed: int = 1) -> list[Sample]:
    """``make_samples`` with labels."""
    source = random.Random(seed)
    return [
        Sample(sample.record, {**sample.metadata, "labels": make_labels(index, source)})
        for index, sample in enumerate(make_samples(count, seed=seed))
    ]


def plain(labels: SampleLabels) -> tuple[Any, ...]:
    """All that labels say but their file, for comparing."""
    objects = labels.objects
    return (
        labels.state,
        labels.upright,
        labels.image_id,
        objects.class_ids.tolist(),
        objects.boxes.tolist(),
        {name: values.tolist() for name, values in objects.fields.items() if len(objects)},
        [[ring.tolist() for ring in rings] for rings in objects.polygons],
        [runs.tolist() for runs in objects.masks],
    )


def label_reads(annotations: Annotations) -> Iterator[tuple[str, Any]]:
    """(name, function) of all that can be asked of a store's labels."""
    for name in ("states", "upright", "image_ids", "offsets", "class_ids", "boxes", "points",
                 "polygon_offsets", "point_offsets", "run_offsets", "runs"):  # fmt: skip
        yield name, lambda name=name: np.asarray(getattr(annotations, name)).tobytes()
    for name in annotations.header.object_fields:
        yield name, lambda name=name: annotations.field(name).tobytes()
    for index in range(len(annotations)):
        yield f"labels {index}", lambda index=index: plain(annotations[index])
        yield f"label file {index}", lambda index=index: annotations.label_file(index)
