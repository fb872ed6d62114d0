"""YOLO label files are taken, or not, exactly as YOLOv5 and ultralytics take them.

What each client does was found out by running it (yolov5 7.0.14, ultralytics 8.4.190).
"""

from __future__ import annotations

import random

import numpy as np
import pytest
from PIL import Image

from fastload.convert.labelled import LabelError
from fastload.convert.sources.yolo.label_text import YoloRules, read_label_text
from fastload.store import Objects
from support.yolo import rows_text

HEIGHT, WIDTH = 37, 53
SCALE = np.array([WIDTH, HEIGHT])
ULTRALYTICS, YOLOV5 = YoloRules("ultralytics", 3), YoloRules("yolov5", 3)
POSE = YoloRules("ultralytics", 3, (2, 3))

#: Text -> line of the complaint (None: taken) of ultralytics, and of YOLOv5.
CASES: dict[str, tuple[int | None, int | None]] = {
    "0 .5 .5 .2 .2\n": (None, None),
    "0 .5 .5 .2 .2": (None, None),
    "0 .5 .5 .2 .2\r\n1 .5 .5 .2 .2\r": (None, None),
    "": (None, None),
    " \n\n": (None, None),
    "\n\n0 .5 .5 .2 .2": (None, None),
    "0 1.005 .5 .2 .2": (None, 1),
    "0 .5 .5 .2 .2\n0 1.02 .5 .2 .2": (2, 2),
    "0 -.005 .5 .2 .2": (None, 1),
    "0 -.02 .5 .2 .2": (1, 1),
    "0 .5 .5 -.005 .2": (1, 1),
    "0 nan .5 .2 .2": (1, 1),
    "0 .5 inf .2 .2": (1, 1),
    "0 .5 1e3 .2 .2": (1, 1),
    "nan .5 .5 .2 .2": (1, 1),
    "-1 .5 .5 .2 .2": (1, 1),
    "0 .5 .5 .2 .2\n3 .5 .5 .2 .2": (2, None),
    "80 .5 .5 .2 .2": (1, None),
    "2147483648 .5 .5 .2 .2": (1, 1),
    "1e30 .5 .5 .2 .2": (1, 1),
    "0.5 .5 .5 .2 .2": (1, None),
    "cat .5 .5 .2 .2": (1, 1),
    "0 .5 .5 .2": (1, 1),
    "0 .5 .5 .2 .2 .9": (1, 1),
    "0": (1, 1),
    "0 .5 .5 .2 .2\n   \n0 .1 .1 .2 .2": (None, 2),
    "0 .5 .5 .2 .2\n\n0 .1 .1 .2 .2": (None, None),
    "0 .1 .1 .5 .1 .5 .5": (None, None),
    "0 .1 .1 .5 .1 .5 .5 .1 .5": (None, None),
    "0 .1 .1 .5 .1 .5 .5\n0 .5 .5 .2 .2": (2, None),
    "0 .1 .1 .5 .1 .5 .5\n0 .5 .5 .2": (2, 2),
    "0 .1 .1 .5 .1 .5 .5 .7": (1, 1),
    "0 .1 .1 .5 .1 .5 1.09": (None, None),  # both look at the box's centre and sides alone
    "0 .1 .1 .5 .1 .5 2.5": (1, 1),
    "\ufeff0 .5 .5 .2 .2": (None, 1),
}


def complaint(text: bytes, rules: YoloRules) -> int | None:
    try:
        read_label_text(text, rules, HEIGHT, WIDTH)
    except LabelError as error:
        return error.line
    return None


@pytest.mark.parametrize("text", CASES)
def test_each_client_takes_what_it_takes(text: str) -> None:
    found = complaint(text.encode(), ULTRALYTICS), complaint(text.encode(), YOLOV5)
    assert found == CASES[text]


def test_text_that_is_no_utf_8_is_refused() -> None:
    for rules in (ULTRALYTICS, YOLOV5):
        with pytest.raises(LabelError, match="line 2: expected UTF-8"):
            read_label_text(b"\xef\xbb\xbf0 .5 .5 .2 .2\n0 .5 .5 .2 .2 \xff", rules, HEIGHT, WIDTH)


def test_remarks_name_the_first_line_that_they_are_about() -> None:
    text = b"\n0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n\n0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n"
    _, (remark,) = read_label_text(text, ULTRALYTICS, HEIGHT, WIDTH)
    assert remark.startswith("line 5: 2 duplicate rows")
    rounded = read_label_text(b"1 .5 .5 .2 .2\n0.5 .5 .5 .2 .2\n", YOLOV5, HEIGHT, WIDTH)[1]
    assert rounded == ["line 2: classes that are no integers are rounded down"]


def test_without_class_names_every_class_is_taken() -> None:
    objects, _ = read_label_text(b"1000 .5 .5 .2 .2", YoloRules("ultralytics"), HEIGHT, WIDTH)
    assert objects.class_ids.tolist() == [1000]


def normalised(objects: Objects) -> np.ndarray:
    """The rows that a client has for its boxes, float32 [M, 5]."""
    boxes = objects.boxes / np.tile(SCALE, 2)
    low, high = boxes[:, :2], boxes[:, 2:]
    rows = [objects.class_ids[:, None], (low + high) / 2, high - low]
    return np.concatenate(rows, axis=1).astype(np.float32)


def test_boxes_give_back_the_float32_numbers_that_clients_read() -> None:
    source = np.random.default_rng(3)
    rows = np.concatenate(
        [source.integers(0, 3, (500, 1)), source.uniform(0, 1, (500, 4))], axis=1
    ).astype(np.float32)
    rows[:9, 3:] = [[10.0**-n, 1 - 10.0**-n] for n in range(9)]
    for height, width in ((37, 53), (640, 481), (6000, 4001)):
        objects, _ = read_label_text(rows_text(rows.tolist()).encode(), ULTRALYTICS, height, width)
        boxes = objects.boxes / np.array([width, height, width, height])
        found = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        np.testing.assert_array_equal(found.astype(np.float32), rows[:, 1:])


def test_pixels_are_shares_of_the_upright_picture() -> None:
    objects, _ = read_label_text(b"1 .5 .5 .25 .5", ULTRALYTICS, 40, 80)
    assert objects.boxes.tolist() == [[30.0, 10.0, 50.0, 30.0]]
    assert objects.polygons == [[]]


def test_polygons_have_the_box_around_them() -> None:
    text = b"1 .25 .25 .75 .25 .5 .75\n0 0 0 1 0 1 1 0 1"
    objects, notes = read_label_text(text, ULTRALYTICS, 40, 80)
    assert objects.class_ids.tolist() == [1, 0]
    assert objects.boxes.tolist() == [[20.0, 10.0, 60.0, 30.0], [0.0, 0.0, 80.0, 40.0]]
    assert objects.polygons[0][0].tolist() == [[20.0, 10.0], [60.0, 10.0], [40.0, 30.0]]
    assert [len(rings) for rings in objects.polygons] == [1, 1]
    assert notes == []


def test_keypoints_are_in_pixels_and_keep_their_visibility() -> None:
    objects, _ = read_label_text(b"2 .5 .5 .2 .2 .25 .5 2 0 0 0", POSE, 40, 80)
    assert objects.fields["keypoints"].tolist() == [[[20.0, 20.0, 2.0], [0.0, 0.0, 0.0]]]
    for text in (b"0 .5 .5 .2 .2", b"0 .5 .5 .2 .2 .25 .5 2 0 0", b"0 .5 .5 .2 .2 1.02 .5 2 0 0 0"):
        assert complaint(text, POSE) == 1


def test_duplicates_go_in_the_clients_order_and_are_said() -> None:
    text = b"2 .5 .5 .2 .2\n0 .5 .5 .2 .2\n2 .5 .5 .2 .2\n1 .5 .5 .2 .2"
    for rules in (ULTRALYTICS, YOLOV5):
        objects, notes = read_label_text(text, rules, HEIGHT, WIDTH)
        assert objects.class_ids.tolist() == [0, 1, 2]
        assert len(notes) == 1
        assert "1 duplicate" in notes[0]
    kept, _ = read_label_text(b"2 .5 .5 .2 .2\n0 .5 .5 .2 .2", ULTRALYTICS, HEIGHT, WIDTH)
    assert kept.class_ids.tolist() == [2, 0]


def test_polygons_with_one_box_are_duplicates_for_yolov5_alone() -> None:
    text = b"0 .1 .1 .5 .1 .5 .5\n0 .1 .1 .5 .5 .1 .5\n0 .1 .1 .5 .1 .5 .5"
    assert len(read_label_text(text, ULTRALYTICS, HEIGHT, WIDTH)[0]) == 2
    assert len(read_label_text(text, YOLOV5, HEIGHT, WIDTH)[0]) == 1


def test_what_yolov5_takes_for_something_else_is_said() -> None:
    _, notes = read_label_text(b"0 .1 .1 .5 .1 .5 .5\n0 .5 .5 .2 .2", YOLOV5, HEIGHT, WIDTH)
    assert "line 2: a box among polygons" in notes[0]
    objects, notes = read_label_text(b"1.75 .5 .5 .2 .2", YOLOV5, HEIGHT, WIDTH)
    assert objects.class_ids.tolist() == [1]
    assert "no integers" in notes[0]


def random_text(source: random.Random) -> bytes:
    """Rows of every kind, with a doubtful number here and there."""
    doubtful = ["0", "1", "1.005", "1.01", "1.02", "-0.005", "-0.011", "nan", "1e3", "1_0", "x"]

    def number() -> str:
        if source.random() < 0.08:
            return source.choice(doubtful)
        return f"{source.random():.{source.randrange(1, 9)}f}"

    kind = source.choice(["box", "box", "polygon", "mixed", "pose", "odd"])
    rows = []
    for _ in range(source.randrange(5)):
        count = {"box": 4, "polygon": 6, "mixed": source.choice([4, 6, 8]), "pose": 10,
                 "odd": source.randrange(9)}[kind]  # fmt: skip
        rows.append(" ".join([source.choice("0123"), *(number() for _ in range(count))]))
    if rows and source.random() < 0.2:
        rows.append(source.choice(rows))
    return source.choice(["\n", "\r\n", "\n\n"]).join(rows).encode()


def test_ultralytics_itself_agrees(tmp_path, monkeypatch) -> None:
    """Where it is installed: 400 made files, as boxes and as poses."""
    utils = pytest.importorskip("ultralytics.data.utils")
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (WIDTH, HEIGHT)).save("a.jpg")
    source = random.Random(11)
    taken = 0
    for _ in range(400):
        text = random_text(source)
        (tmp_path / "a.txt").write_bytes(text)
        for rules in (ULTRALYTICS, POSE):
            count, dims = rules.keypoint_shape or (0, 0)
            arguments = ("a.jpg", "a.txt", "", bool(count), 3, count, dims, False)
            image, rows, _shape, polygons, *_ = utils.verify_image_label(arguments)
            assert (complaint(text, rules) is None) == (image is not None), text
            if image is None or not len(rows):
                continue
            objects, _ = read_label_text(text, rules, HEIGHT, WIDTH)
            np.testing.assert_allclose(normalised(objects), rows, rtol=0, atol=2e-7)
            for (ring,), polygon in zip(objects.polygons, polygons, strict=False):
                np.testing.assert_array_equal((ring / SCALE).astype(np.float32), polygon)
            taken += 1
    assert taken > 100
