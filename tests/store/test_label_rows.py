"""``LabelRows``: the same labels have the same digest wherever they stand, and others another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from fastload.store import LabelFile, LabelRows, Objects, SampleLabels, Store
from support.labels import FILES, LABELLED, labelled_samples
from support.stores import Sample, pack

SAMPLES = labelled_samples(24)


def digests(path: Path, samples: list[Sample], class_ids: list[int] | None = None) -> list[bytes]:
    pack(path, samples, header=LABELLED, files=FILES, overwrite=True)
    with Store(path) as store:
        annotations = store.header.annotations
        assert annotations is not None
        ids = None if class_ids is None else np.array(class_ids, np.int32)
        rows = LabelRows(annotations, len(store), store.column, ids)
        return [rows.digest(index) for index in range(len(store))]


def changed(sample: Sample, **changes: object) -> Sample:
    labels = replace(sample.metadata["labels"], **changes)
    return Sample(sample.record, {**sample.metadata, "labels": labels})


def test_a_digest_does_not_depend_on_the_place(tmp_path: Path) -> None:
    before = digests(tmp_path / "a.lmdb", SAMPLES)
    order = list(reversed(range(3, 24)))
    after = digests(tmp_path / "b.lmdb", [SAMPLES[index] for index in order])
    assert after == [before[index] for index in order]
    assert len(set(before)) == len(before)  # each has its own image id


def change_objects(labels: SampleLabels, part: str) -> dict[str, object]:
    objects = labels.objects
    if part == "file":
        return {"file": LabelFile("other.txt", b"x")}
    if part in ("upright", "image_id"):
        return {part: not getattr(labels, part)}
    if part in objects.fields:
        fields = {**objects.fields, part: np.asarray(objects.fields[part]) + 0}
        fields[part].reshape(-1)[-1] = 1 - fields[part].reshape(-1)[-1]
        return {"objects": replace(objects, fields=fields)}
    values = np.array(getattr(objects, part))
    values.reshape(-1)[-1] += 1
    return {"objects": replace(objects, **{part: values})}


PARTS = ("class_ids", "boxes", "points", "runs", "area", "keypoints", "id", "upright", "file")


def test_every_part_counts(tmp_path: Path) -> None:
    sample = next(s for s in SAMPLES if len(s.metadata["labels"].objects) > 2)
    labels = sample.metadata["labels"]
    others = [changed(sample, **change_objects(labels, part)) for part in PARTS]
    found = digests(tmp_path / "a.lmdb", [sample, sample, *others])
    assert found[0] == found[1]
    assert len(set(found)) == 1 + len(PARTS)


def test_where_a_border_lies_counts(tmp_path: Path) -> None:
    """One polygon of four points, or two of two: the same points."""
    one, two = (
        Objects.of([1], [[0, 0, 4, 4]], fields={"crowd": [0], "id": [1], "area": [1.0],
                                                "keypoints": np.zeros((1, 2, 3))},
                   polygons=[rings], masks=[[]])
        for rings in ([[[0, 0], [1, 1], [2, 2], [3, 3]]], [[[0, 0], [1, 1]], [[2, 2], [3, 3]]])
    )  # fmt: skip
    at = next(i for i, s in enumerate(SAMPLES) if len(s.metadata["labels"].objects))
    found = {digests(tmp_path / "a.lmdb", [changed(SAMPLES[at], objects=objects)])[0]
             for objects in (one, two)}  # fmt: skip
    assert len(found) == 2


def test_the_time_of_a_label_file_does_not_count(tmp_path: Path) -> None:
    at = next(i for i, s in enumerate(SAMPLES) if s.metadata["labels"].file is not None)
    file = replace(SAMPLES[at].metadata["labels"].file, mtime_ns=99, mode=0o100600)
    (before,) = digests(tmp_path / "a.lmdb", [SAMPLES[at]])
    assert digests(tmp_path / "a.lmdb", [changed(SAMPLES[at], file=file)]) == [before]


def test_classes_may_be_renumbered(tmp_path: Path) -> None:
    """Ids that have no name stay."""
    at = next(i for i, s in enumerate(SAMPLES) if len(s.metadata["labels"].objects) > 2)
    objects = SAMPLES[at].metadata["labels"].objects
    samples = [
        changed(SAMPLES[at], objects=replace(objects, class_ids=np.resize(ids, len(objects))))
        for ids in (np.array([0, 1, 7], np.int32), np.array([1, 0, 7], np.int32))
    ]
    (one,) = digests(tmp_path / "a.lmdb", samples[:1], [1, 0, 2])
    (other,) = digests(tmp_path / "a.lmdb", samples[1:])
    assert one == other
