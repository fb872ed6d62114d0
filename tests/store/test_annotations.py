"""Labels in a store: what goes in comes out, as views, and nothing that does not fit goes in."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastload.errors import PackError, ResumeError, StoreFormatError
from fastload.store import (
    AnnotationHeader,
    LabelState,
    Objects,
    SampleLabels,
    Store,
    StoreWriter,
    WriterHeader,
    attach,
    partial_path,
    publish,
)
from fastload.store import group as group_module
from support.labels import ANNOTATIONS, FILES, LABELLED, labelled_samples, plain
from support.stores import add, content, make_samples, pack

SAMPLES = labelled_samples(60)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("labels") / "labels.lmdb"
    pack(found, SAMPLES, header=LABELLED, group=7, files=FILES)
    return found


def test_labels_come_back_as_they_went_in(path: Path) -> None:
    with Store(path) as store:
        annotations = store.annotations
        assert annotations is not None
        assert len(annotations) == len(SAMPLES)
        for index, sample in enumerate(SAMPLES):
            expected = sample.metadata["labels"]
            assert plain(annotations[index]) == plain(expected)
            assert annotations.label_file(index) == expected.file
        with pytest.raises(IndexError):
            annotations[len(SAMPLES)]
        with pytest.raises(IndexError):
            annotations.label_file(-1)


def test_arrays_of_all_samples_are_views_of_the_file(path: Path) -> None:
    with Store(path) as store:
        annotations = store.annotations
        assert annotations is not None
        objects = [sample.metadata["labels"].objects for sample in SAMPLES]
        offsets = np.cumsum([0, *map(len, objects)])
        assert annotations.offsets.tolist() == offsets.tolist()
        arrays: dict[str, Any] = {
            "class_ids": (annotations.class_ids, [o.class_ids for o in objects]),
            "boxes": (annotations.boxes, [o.boxes for o in objects]),
            "points": (annotations.points, [o.points for o in objects]),
            "keypoints": (
                annotations.field("keypoints"),
                [o.fields["keypoints"] for o in objects if len(o)],
            ),
        }
        for name, (found, expected) in arrays.items():
            np.testing.assert_array_equal(found, np.concatenate(expected), err_msg=name)
            assert not found.flags.writeable
            assert not found.flags.owndata
            assert found.ctypes.data % 64 == 0, name
        assert annotations.boxes is annotations.boxes
        with pytest.raises(KeyError, match="difficult"):
            annotations.field("difficult")


def test_attached_files_come_back(path: Path) -> None:
    with Store(path) as store:
        assert store.header.annotations == ANNOTATIONS
        assert [store.read_file(number) for number in range(3)] == [
            b"names: [cat, dog]\n" * 20, b"x", b"",
        ]  # fmt: skip
        assert ANNOTATIONS.files[0].stored_size < ANNOTATIONS.files[0].size
        with pytest.raises(IndexError):
            store.read_file(3)


def test_a_store_without_labels_is_written_in_version_1(tmp_path: Path, path: Path) -> None:
    pack(tmp_path / "plain.lmdb", make_samples(5))
    with Store(tmp_path / "plain.lmdb") as store:
        assert store.header.format_version == 1
        assert store.annotations is None
        assert b'"annotations"' not in store.header.to_json()
        with pytest.raises(IndexError):
            store.read_file(0)
    with Store(path) as store:
        assert store.header.format_version == 2


def test_a_packing_of_labels_goes_on_where_it_stopped(tmp_path: Path, path: Path) -> None:
    half = tmp_path / "half.lmdb"
    for stop in (9, 23, 41):
        with StoreWriter(half, LABELLED, files=FILES) as writer:
            assert writer.committed_position == {9: 0, 23: 9, 41: 23}[stop]
            for index in range(writer.committed_position, stop):
                writer.append(SAMPLES[index].record, **SAMPLES[index].metadata)
            writer.commit(stop)
            sizes = writer.committed_column("label_text.offsets")
            assert len(sizes) == stop + 1
    pack(half, SAMPLES, header=LABELLED, group=7, files=FILES)
    with Store(half) as store, Store(path) as whole:
        assert content(store) == content(whole)


def test_other_labels_do_not_go_on_with_it(tmp_path: Path) -> None:
    half = tmp_path / "half.lmdb"
    with StoreWriter(half, LABELLED, files=FILES) as writer:
        add(writer, SAMPLES[:5])
    attached, files = attach([("data.yaml", b"names: []", 0, 0)])
    other = replace(LABELLED, annotations=replace(ANNOTATIONS, files=attached))
    for header, data in ((other, files), (replace(LABELLED, annotations=None), b"")):
        with pytest.raises(ResumeError, match="annotations"):
            StoreWriter(half, header, files=data)
    assert partial_path(half).exists()


def test_publishing_is_taken_up_after_any_step(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastload.store.pack_file import PackFile

    half = tmp_path / "half.lmdb"
    with StoreWriter(half, LABELLED, files=FILES) as writer:
        add(writer, SAMPLES, group=11)
    steps = 0
    transact = PackFile.transact

    def stop_after_one(self: PackFile, work: Any, payload_bytes: int) -> None:
        transact(self, work, payload_bytes)
        raise PackError("stopped")

    while True:
        monkeypatch.setattr(publish, "_BATCH_BYTES", 0)
        monkeypatch.setattr(PackFile, "transact", stop_after_one)
        with StoreWriter(half, LABELLED, files=FILES) as writer:
            assert writer.committed_column("objects.box").shape[1:] == (4,)
            try:
                writer.publish()
                break
            except PackError:
                steps += 1
        monkeypatch.undo()
    assert steps > 30
    with Store(half) as store, Store(path) as whole:
        assert content(store) == content(whole)


WRONG: dict[str, Any] = {
    "a box that is no number": lambda o: {"boxes": np.full((1, 4), np.nan)},
    "an infinite point": lambda o: {
        "points": np.array([[1, np.inf]]), "point_counts": np.ones(1, np.uint32),
        "polygon_counts": np.ones(1, np.uint32),
    },
    "a negative class": lambda o: {"class_ids": np.array([-1])},
    "a class above int32": lambda o: {"class_ids": np.array([2**31])},
    "two boxes for one object": lambda o: {"boxes": np.zeros((2, 4))},
    "a field too many": lambda o: {"fields": {**o.fields, "difficult": np.zeros(1)}},
    "a field too few": lambda o: {"fields": {}},
    "counts that do not add up": lambda o: {"polygon_counts": np.ones(1, np.uint32)},
    "runs that no object has": lambda o: {"runs": np.ones(3, np.uint32)},
    "a fractional flag": lambda o: {"fields": {**o.fields, "crowd": np.array([0.5])}},
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_labels_that_cannot_be_are_refused_and_nothing_is_added(tmp_path: Path, what: str) -> None:
    good = Objects.of(
        [0], [[0, 0, 1, 1]],
        fields={"crowd": [0], "id": [1], "area": [1.0], "keypoints": np.zeros((1, 2, 3))},
    )  # fmt: skip
    record, metadata = SAMPLES[0].record, {"name": "a.jpg"}
    with StoreWriter(tmp_path / "x.lmdb", LABELLED, files=FILES) as writer:
        bad = replace(good, **WRONG[what](good))
        with pytest.raises(ValueError, match="expected"):
            writer.append(record, **metadata, labels=SampleLabels(LabelState.PRESENT, bad))
        with pytest.raises(ValueError, match="EMPTY with 1 objects"):
            writer.append(record, **metadata, labels=SampleLabels(LabelState.EMPTY, good))
        assert writer.count == 0
        writer.append(record, **metadata, labels=SampleLabels(LabelState.PRESENT, good))
        writer.append(record, name="b.jpg")
        writer.commit(2)
        writer.publish()
    with Store(tmp_path / "x.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.states.tolist() == [LabelState.PRESENT, LabelState.MISSING]


def test_a_store_without_labels_takes_none(tmp_path: Path) -> None:
    with (
        StoreWriter(tmp_path / "x.lmdb", WriterHeader()) as writer,
        pytest.raises(ValueError, match="no annotations"),
    ):
        writer.append(SAMPLES[0].record, name="a.jpg", labels=SampleLabels())
    with pytest.raises(ValueError, match="files"):
        StoreWriter(tmp_path / "y.lmdb", WriterHeader(), files=b"x")


def test_a_label_column_that_grows_too_large_is_refused_before_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a resumed writer did not write the first part itself."""
    with StoreWriter(tmp_path / "x.lmdb", LABELLED, files=FILES) as writer:
        add(writer, SAMPLES[:20], group=5, problems=())
        used = writer._store._label_bytes["objects.box"]
    with StoreWriter(tmp_path / "x.lmdb", LABELLED, files=FILES) as writer:
        assert writer._store._label_bytes["objects.box"] == used > 0
        writer.append(SAMPLES[22].record, **SAMPLES[22].metadata)
        monkeypatch.setattr(group_module, "MAX_COLUMN_BYTES", used)
        with pytest.raises(PackError, match="several stores"):
            writer.commit(21)


def test_a_store_may_have_attached_files_and_no_labels(tmp_path: Path) -> None:
    attached, files = attach([("list.txt", b"a.jpg", 0, 0)])
    header = replace(LABELLED, annotations=AnnotationHeader("list", objects=False, files=attached))
    with StoreWriter(tmp_path / "x.lmdb", header, files=files) as writer:
        with pytest.raises(ValueError, match="no annotations"):
            writer.append(SAMPLES[0].record, name="a.jpg", labels=SampleLabels())
        writer.append(SAMPLES[0].record, name="a.jpg")
        writer.commit(1)
        writer.publish()
    with Store(tmp_path / "x.lmdb") as store:
        assert store.annotations is None
        assert store.read_file(0) == b"a.jpg"
        assert "label_state" not in store.column_names


def test_corners_are_a_view_where_every_object_is_a_polygon_of_four(tmp_path: Path) -> None:
    header = replace(LABELLED, annotations=AnnotationHeader("test", polygons=True))
    square = [[0, 0], [4, 0], [4, 3], [0, 3]]
    objects = Objects.of([0, 1], np.zeros((2, 4)), polygons=[[square], [square]])
    with StoreWriter(tmp_path / "x.lmdb", header) as writer:
        labels = SampleLabels(LabelState.PRESENT, objects)
        writer.append(SAMPLES[0].record, name="a", labels=labels)
        writer.commit(1)
        writer.publish()
    with Store(tmp_path / "x.lmdb") as store:
        assert store.annotations is not None
        corners = store.annotations.corners()
        assert corners.tolist() == [square, square]
        assert np.shares_memory(corners, store.annotations.points)
        assert store.annotations[0].objects.masks[0].size == 0


def test_corners_of_anything_else_are_refused(path: Path) -> None:
    with Store(path) as store:
        assert store.annotations is not None
        with pytest.raises(ValueError, match="four points"):
            store.annotations.corners()


def test_a_pickled_store_has_its_labels(path: Path) -> None:
    with Store(path) as store:
        again = pickle.loads(pickle.dumps(store))
        assert again.annotations is not None
        assert plain(again.annotations[2]) == plain(store.annotations[2])  # type: ignore[index]


@pytest.mark.parametrize(
    "change",
    [
        {"object_fields": ("speed",)},
        {"object_fields": ("crowd", "crowd")},
        {"object_fields": ("keypoints",)},
        {"keypoint_shape": (3, 3)},
        {"object_fields": ("keypoints",), "keypoint_shape": (0, 3)},
        {"object_fields": ("keypoints",), "keypoint_shape": (3, 4)},
        {"object_fields": ("keypoints",), "keypoint_shape": (3, 2, 1)},
        {"object_fields": ("keypoints",), "keypoint_shape": (2**40, 2)},
    ],
)
def test_descriptions_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"object_fields|keypoint_shape|unpack"):
        AnnotationHeader("test", **change)


def test_damaged_attached_files_are_noticed(tmp_path: Path, path: Path) -> None:
    from fastload.store.attached import attached_file

    stored = np.frombuffer(FILES, np.uint8)
    first = ANNOTATIONS.files[0]
    for number in range(first.stored_size):
        bad = stored.copy()
        bad[number] ^= 1
        with pytest.raises(StoreFormatError, match=r"data\.yaml"):
            attached_file(first, bad)
    with pytest.raises(StoreFormatError):
        attached_file(first, stored[: first.stored_size - 1])
    # A size that the bytes could not be is refused before memory is taken for it.
    with pytest.raises(ValueError, match="cannot be"):
        replace(ANNOTATIONS, files=(replace(first, size=2**60),))


def test_the_first_objects_have_all_that_is_theirs() -> None:
    rings = [[[[0, 0], [1, 0], [1, 1]]], [], [[[2, 2], [3, 2], [3, 3]], [[4, 4], [5, 4], [5, 5]]]]
    masks = [[], [1, 2, 3], [4, 5]]
    boxes = np.arange(12).reshape(3, 4)
    whole = Objects.of([7, 8, 9], boxes, fields={"id": [1, 2, 3]}, polygons=rings, masks=masks)
    for count in range(5):
        part = whole.first(count)
        assert part.class_ids.tolist() == [7, 8, 9][:count]
        assert part.boxes.tolist() == boxes[:count].tolist()
        assert part.fields["id"].tolist() == [1, 2, 3][:count]
        assert [[r.tolist() for r in one] for one in part.polygons] == rings[:count]
        assert [runs.tolist() for runs in part.masks] == masks[:count]
    assert len(Objects.of([1, 2], boxes[:2]).first(1)) == 1
