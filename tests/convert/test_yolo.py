"""YOLO data sets: the yaml, what it names, where labels lie, and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastload.convert import Finding, Severity, Summary, pack, unpack
from fastload.convert.sources.yolo.config import read_config
from fastload.errors import SourceError
from fastload.store import LabelState, Store
from support.trees import snapshot, write_photo
from support.yolo import BOXES, turned_photo, yolo_set


def packed(source: Path, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def contents(out: Path) -> list[tuple[str, str, int]]:
    """(name, split, state) of every sample."""
    with Store(out) as store:
        assert store.annotations is not None
        splits = [*store.header.split_names, *[""] * 256]
        codes, states = store.column("split").tolist(), store.annotations.states.tolist()
        return [(n, splits[c], s) for n, c, s in zip(store.names, codes, states, strict=True)]


def test_missing_empty_and_present_labels_are_told_apart(tmp_path: Path) -> None:
    yolo_set(tmp_path / "src", 4)
    summary, found = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert contents(tmp_path / "o.lmdb") == [
        ("images/train/p1.jpg", "train", LabelState.EMPTY),
        ("images/train/p2.jpg", "train", LabelState.MISSING),
        ("images/val/p0.jpg", "val", LabelState.PRESENT),
        ("images/val/p3.jpg", "val", LabelState.PRESENT),
    ]
    assert summary.contents.labels == {"missing": 1, "empty": 1, "present": 2}
    assert of_kind(found, "photo-without-labels")[0][0] == "images/train/p2.jpg"
    assert summary.problems_count == 0


def test_labels_that_cannot_be_read_cost_the_labels_and_not_the_photo(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yolo_set(root, 4)
    (root / "labels/train/p1.txt").write_text("0 .5 .5 .2 .2\n0 1.3 .5 .2 .2\n")
    (root / "labels/val/p0.txt").unlink()
    (root / "labels/val/p0.txt").mkdir()
    (root / "labels/val/p3.txt").unlink()
    (root / "labels/val/p3.txt").symlink_to("gone.txt")
    summary, found = packed(root, tmp_path / "o.lmdb")
    problems = dict(of_kind(found, "label"))
    assert problems["labels/train/p1.txt"].startswith("line 2: expected coordinates of at most 1")
    assert "found a folder" in problems["labels/val/p0.txt"]
    assert "a link that leads nowhere" in problems["labels/val/p3.txt"]
    assert summary.problems_count == 3
    assert summary.contents.labels["damaged"] == 3
    assert [name for name, _, _ in contents(tmp_path / "o.lmdb")].count("images/val/p0.jpg") == 1
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_the_profile_decides_and_is_kept(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 1)
    (tmp_path / "src/labels/val/p0.txt").write_text("7 .5 .5 .2 .2")
    assert packed(yaml, tmp_path / "o.lmdb")[0].problems_count == 1
    assert packed(yaml, tmp_path / "o.lmdb", labels="yolov5")[0].problems_count == 0
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.header.profile == "yolov5"
        assert store.annotations.class_ids.tolist() == [7]
    with pytest.raises(ValueError, match="labels"):
        pack(yaml, tmp_path / "x.lmdb", labels="yolov6")


def test_coordinates_are_those_of_the_upright_picture(tmp_path: Path) -> None:
    yolo_set(tmp_path / "src", 1)
    turned_photo(tmp_path / "src/images/val/p0.jpg", 40, 80, 6)
    (tmp_path / "src/labels/val/p0.txt").write_text("0 .5 .25 1 .5")
    packed(tmp_path / "src", tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        assert store.annotations.boxes.tolist() == [[0.0, 0.0, 40.0, 40.0]]
        assert store.annotations.upright.tolist() == [1]


FORMS: dict[str, tuple[str, str]] = {
    "a folder": ("train: images/train\nval: images/val\n", ""),
    "a folder in path": ("path: images\ntrain: train\nval: val\n", ""),
    "an absolute folder": ("train: {root}/images/train\nval: {root}/images/val\n", ""),
    "validation": ("train: images/train\nvalidation: images/val\n", ""),
    "one step up": ("train: ../images/train\nval: ../images/val\n", ""),
    "a list": (
        "train: train.txt\nval: images/val\n", "./images/train/p1.jpg\n./images/train/p2.jpg",
    ),
    "a list without ./": (
        "train: train.txt\nval: images/val\n", "images/train/p2.jpg\n\nimages/train/p1.jpg\n",
    ),
    "an absolute list": (
        "train: train.txt\nval: [images/val]\n",
        "{root}/images/train/p1.jpg\r\n{root}/images/train/p2.jpg\r\n",
    ),
    "lists of either": (
        "train: [train.txt, images/train]\nval: [images/val]\n", "\ufeff./images/train/p2.jpg\n",
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_splits_are_folders_or_lists_or_several(tmp_path: Path, form: str) -> None:
    root = tmp_path / "src"
    yaml = yolo_set(root, 4)
    text, listed = (part.replace("{root}", str(root)) for part in FORMS[form])
    yaml.write_text(text + "nc: 2\n")
    if listed:
        (root / "train.txt").write_text(listed)
    for source in (yaml, root):
        summary, _found = packed(source, tmp_path / "o.lmdb")
        assert [row[:2] for row in contents(tmp_path / "o.lmdb")] == [
            ("images/train/p1.jpg", "train"),
            ("images/train/p2.jpg", "train"),
            ("images/val/p0.jpg", "val"),
            ("images/val/p3.jpg", "val"),
        ]
        assert summary.problems_count == 0
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("class_0", "class_1")
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_bad_entries_of_a_list_are_named_by_line(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yaml = yolo_set(root, 4)
    write_photo(tmp_path / "images" / "elsewhere.jpg")
    yaml.write_text("train: train.txt\nval: images/val\ntest: nowhere\nnc: 2\n")
    write_photo(root / " start.jpg")
    lines = ["", "./images/train/gone.jpg", "./notes.txt", "../images/elsewhere.jpg",
             "./images/train/p1.jpg", "./images/a\0b.jpg", "./images/train/p1.jpg  ",
             " start.jpg"]  # fmt: skip
    (root / "train.txt").write_text("\n".join(lines))
    _, found = packed(root, tmp_path / "o.lmdb")
    assert of_kind(found, "missing") == [
        ("data.yaml, test", "'nowhere' is neither a folder nor a list file"),
        ("images/train/gone.jpg", "named by train.txt, line 2: there is no such file"),
    ]  # fmt: skip
    assert "line 3" in of_kind(found, "other-file")[0][1]
    assert of_kind(found, "path-out")[0][0] == "train.txt, line 4"
    assert "line 7" in of_kind(found, "listed-twice")[0][1]
    assert "line 6" in of_kind(found, "unsafe-name")[0][1]
    assert len(contents(tmp_path / "o.lmdb")) == 4


def test_photos_outside_are_packed_where_asked_and_come_back_inside(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yaml = yolo_set(root, 1)
    photo = write_photo(tmp_path / "far" / "images" / "x.jpg")
    (tmp_path / "far" / "labels").mkdir()
    (tmp_path / "far" / "labels" / "x.txt").write_text(BOXES)
    yaml.write_text(f"train: {photo.parent}\nval: images/val\nnc: 2\n")
    _, found = packed(yaml, tmp_path / "o.lmdb")
    assert "--follow-links" in of_kind(found, "path-out")[0][1]
    summary, _ = packed(yaml, tmp_path / "o.lmdb", follow_links=True)
    assert summary.problems_count == 0
    name = f"outside{tmp_path}/far/images/x.jpg"
    assert contents(tmp_path / "o.lmdb")[0] == (name, "train", LabelState.PRESENT)
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert (tmp_path / "back" / name).read_bytes() == photo.read_bytes()
    assert (tmp_path / "back" / f"outside{tmp_path}/far/labels/x.txt").read_text() == BOXES


def test_links_out_of_the_data_set_are_followed_only_where_asked(tmp_path: Path) -> None:
    root, far = tmp_path / "src", tmp_path / "far"
    yolo_set(root, 1)
    far.mkdir()
    (root / "labels" / "val" / "p0.txt").rename(far / "p0.txt")
    (root / "labels" / "val").rmdir()
    (root / "labels" / "val").symlink_to(far)
    (root / "train.txt").write_text("./images/val/link.jpg")
    (root / "images" / "val" / "link.jpg").symlink_to(write_photo(far / "other.jpg"))
    (root / "data.yaml").write_text("train: train.txt\nval: images/val\nnc: 2\n")
    _, found = packed(root, tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "label")] == ["labels/val/p0.txt"]
    assert [name for name, _ in of_kind(found, "link-out")] == ["images/val/link.jpg"] * 2
    summary, _ = packed(root, tmp_path / "o.lmdb", follow_links=True)
    assert summary.problems_count == 0
    assert summary.contents.photos == 3


def test_a_photo_in_two_splits_is_packed_for_each_and_said(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yolo_set(root, 1).write_text("train: images/val\nval: images/val\nnc: 2\n")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.splits == {"train": 1, "val": 1}
    assert "in train and in val" in of_kind(found, "in-several-splits")[0][1]
    report = unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert report.problems_count == 0
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_the_last_folder_images_becomes_labels_or_labels_lie_beside(tmp_path: Path) -> None:
    root = tmp_path / "src"
    for name in ("images/a/images/1.jpg", "b/2.JPG", "images.d/3.v2.jpeg"):
        write_photo(root / name)
    for name in ("images/a/labels/1.txt", "b/2.txt", "images.d/3.v2.txt"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("0 .5 .5 .5 .5")
    (root / "data.yaml").write_text("train: [images, b, images.d]\nnc: 1\n")
    write_photo(root / "b" / ".hidden.jpg")
    summary, found = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"present": 3}
    assert [name for name, _ in of_kind(found, "hidden")] == ["b/.hidden.jpg"]
    assert not of_kind(found, "other-file")


def test_photos_come_in_the_clients_order(tmp_path: Path) -> None:
    """By path as text, in which "a-b" comes before "a/b"."""
    root = tmp_path / "src"
    for name in ("a/z.jpg", "a/b/1.jpg", "a-b/2.jpg", "B.jpg"):
        write_photo(root / "images" / name)
    (root / "d.yml").write_text("train: images\nnc: 1\n")
    packed(root, tmp_path / "o.lmdb")
    names = [name for name, _, _ in contents(tmp_path / "o.lmdb")]
    assert names == sorted(names) == [
        "images/B.jpg", "images/a-b/2.jpg", "images/a/b/1.jpg", "images/a/z.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("form", ["images/{}", "{}/images"])
def test_folders_alone_are_enough(tmp_path: Path, form: str) -> None:
    root = tmp_path / "src"
    for split in ("train", "valid"):
        folder = form.format(split)
        write_photo(root / folder / "1.jpg")
        label = root / folder.replace("images", "labels") / "1.txt"
        label.parent.mkdir(parents=True)
        label.write_text("1 .5 .5 .5 .5")
    (root / "classes.txt").write_text("cat\ndog\n")
    summary, _ = packed(root, tmp_path / "o.lmdb")
    assert (summary.layout, summary.class_count) == ("yolo", 2)
    assert summary.contents.splits == {"train": 1, "valid": 1}
    assert summary.contents.labels == {"present": 2}
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


@pytest.mark.parametrize(
    ("text", "names"),
    [("a\n\nc\n\n", ("a", "class_1", "c")), ("a\na\n", ("a", "a [1]")), ("\n", ())],
)
def test_lines_of_class_names_keep_their_numbers(
    tmp_path: Path, text: str, names: tuple[str, ...]
) -> None:
    write_photo(tmp_path / "src/images/1.jpg")
    (tmp_path / "src/labels").mkdir()
    (tmp_path / "src/labels/1.txt").write_text("0 .5 .5 .5 .5")
    (tmp_path / "src/classes.txt").write_text(text)
    packed(tmp_path / "src", tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == names


def test_folders_without_splits_or_class_names(tmp_path: Path) -> None:
    root = tmp_path / "src"
    write_photo(root / "images" / "1.jpg")
    (root / "labels").mkdir()
    (root / "labels" / "1.txt").write_text("900 .5 .5 .5 .5")
    summary, _ = packed(root, tmp_path / "o.lmdb")
    assert (summary.class_count, summary.contents.splits, summary.contents.objects) == (0, {}, 1)


def test_labels_of_photos_that_no_split_names_are_no_problem(tmp_path: Path) -> None:
    root = tmp_path / "src"
    yolo_set(root, 4).write_text("train: images/val\nnc: 2\n")
    (root / "labels/val/none.txt").write_text(BOXES)
    (root / "labels/val/classes.txt").write_text("cat")
    write_photo(root / "images/val2/q.jpg")
    (root / "labels/val2").mkdir()
    (root / "labels/val2/q.txt").write_text(BOXES)
    _, found = packed(root, tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "label-without-photo")] == ["labels/val/none.txt"]
    assert {f.severity for f in found if f.kind == "unlisted-label"} == {Severity.IGNORED}
    assert len(of_kind(found, "unlisted-label")) == 2


def test_names_of_any_kind_come_back(tmp_path: Path) -> None:
    root = tmp_path / "src"
    for name in ("é", "e\u0301", "new\nline", os.fsdecode(b"\xff\xfe"), "sp ace", "写真", "a.b.c"):
        write_photo(root / "images" / f"{name}.jpg")
        label = root / "labels" / f"{name}.txt"
        label.parent.mkdir(exist_ok=True)
        label.write_text("0 .5 .5 .5 .5")
    (root / "d.yaml").write_text("train: images\nnames: {0: a}\n")
    summary, _ = packed(root, tmp_path / "o.lmdb")
    assert summary.contents.labels == {"present": 7}
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert snapshot(tmp_path / "back") == snapshot(root)


def test_a_pose_data_set_says_what_its_keypoints_are(tmp_path: Path) -> None:
    root = tmp_path / "src"
    write_photo(root / "images" / "1.jpg", 40, 80)
    (root / "labels").mkdir()
    (root / "labels" / "1.txt").write_text("0 .5 .5 .5 .5 .25 .5 2 .75 .5 1")
    (root / "d.yaml").write_text(
        "train: images\nnames: [person]\nkpt_shape: [2, 3]\nflip_idx: [1, 0]\n"
        "kpt_names: {0: [left, right]}\n"
    )
    packed(root, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.annotations is not None
        header = store.annotations.header
        assert (header.keypoint_shape, header.keypoint_flip) == ((2, 3), (1, 0))
        assert header.keypoint_names == ("left", "right")
        keypoints = store.annotations.field("keypoints")
        assert keypoints.tolist() == [[[20.0, 20.0, 2.0], [60.0, 20.0, 1.0]]]


BAD_YAML: dict[str, str] = {
    "names: [a]\nnames: [b]\ntrain: x\n": r":? ?line 2: the key 'names' stands twice",
    "train: x\nnames: [a\n": "line 3: no valid YAML",
    "- a\n": "expected names with values",
    "train: x\nnames: !!python/object/apply:os.system ['touch pwned']\n": "line 2: no valid YAML",
    "train: x\n": "expected names .* or nc",
    "names: [a]\n": "expected one of train, val",
    "train: x\nnc: 0\n": "nc: expected 1",
    "train: x\nnc: true\n": "nc: expected 1",
    "train: x\nnc: 99999999999\n": "nc: expected 1",
    "train: x\nnc: 2\nnames: [a]\n": "as many as nc, 2, found 1",
    "train: x\nnames: {1: a, 2: b}\n": "the ids 0..1",
    "train: x\nnames: {0: [a]}\n": "expected text",
    "train: {a: b}\nnc: 1\n": "expected folders or list files|expected a folder",
    "train: https://x/y.zip\nnc: 1\n": "is an address",
    "val: a\nvalidation: b\nnc: 1\n": "found both",
    "train: x\nnc: 1\npath: [a]\n": "path: expected a folder",
    "train: x\nnc: 1\nkpt_shape: [17]\n": "kpt_shape",
    "train: x\nnc: 1\nkpt_shape: [17, 4]\n": "kpt_shape",
    "train: x\nnc: 1\nkpt_shape: [2, 3]\nflip_idx: [0, 0]\n": "flip_idx",
    "? [a, b]\n: c\n": "expected a plain key",
    "a: &a {b: c}\nd: {<<: *a}\n": "line 2: expected a plain key",
    "a: " + "[" * 3000: "no valid YAML",
    "train: x\nnc: 1\nz: !!int ''\n": "line 3: no valid YAML: '' is no int",
    "train: x\nnc: 1\nz: !!bool x\n": "line 3: no valid YAML: 'x' is no bool",
    "train: x\nnc: 1\nz: !!timestamp x\n": "line 3: no valid YAML: 'x' is no timestamp",
    "train: x\nnc: 1\nz: 1" + ":1" * 300: "line 3: no valid YAML: a number of 601",
    "train: x\nnames: {0: a, '0': b}\n": "the ids 0..1",
    "\x00": "no valid YAML",
}


@pytest.mark.parametrize("text", BAD_YAML)
def test_a_bad_yaml_is_an_error_that_says_where(
    tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "data.yaml"
    path.write_text(text)
    with pytest.raises(SourceError, match=BAD_YAML[text]):
        read_config(str(path))
    assert os.listdir(tmp_path) == ["data.yaml"]


@pytest.mark.parametrize("key", ["flip_idx: *i", "kpt_names: {0: *i}", "names: [a, *i]"])
def test_aliases_upon_aliases_are_never_spelled_out(tmp_path: Path, key: str) -> None:
    path = tmp_path / "data.yaml"
    lines = ["a: &a [x, x]"] + [
        f"{name}: &{name} [{', '.join(f'*{before}' for _ in range(99))}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    keys = "" if key.startswith("names") else "names: [a]\nkpt_shape: [99, 2]\n"
    path.write_text("\n".join([*lines, "train: x", keys + key]))
    if key.startswith("kpt_names"):
        assert read_config(str(path)).keypoint_names == ()
    else:
        with pytest.raises(SourceError, match=r"(flip_idx|names): expected .*, found \[") as error:
            read_config(str(path))
        assert len(str(error.value)) < 300 + len(str(path))


def test_ids_of_classes_may_be_quoted(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("train: x\nnames: {'0': a, '1': b}\n")
    assert read_config(str(path)).class_names == ("a", "b")


def test_a_yaml_of_aliases_upon_aliases_stays_small(tmp_path: Path) -> None:
    lines = ["train: x", "a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    (tmp_path / "data.yaml").write_text("\n".join([*lines, "names: *a29"]))
    with pytest.raises(SourceError, match="expected text"):
        read_config(str(tmp_path / "data.yaml"))


def test_what_a_yaml_would_download_or_run_is_said_and_left(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 1)
    mark = tmp_path / "ran"
    yaml.write_text(yaml.read_text() + f"download: |\n  import os\n  os.mknod('{mark}')\n")
    _, found = packed(yaml, tmp_path / "o.lmdb")
    assert "never does" in of_kind(found, "download")[0][1]
    assert not mark.exists()


def test_a_yaml_in_another_encoding_is_not_passed_over(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 2)
    yaml.write_text(yaml.read_text(), "utf-16")
    with pytest.raises(SourceError, match="expected UTF-8"):
        pack(tmp_path / "src", tmp_path / "o.lmdb")


def test_a_broken_yaml_is_not_passed_over(tmp_path: Path) -> None:
    """Though the folders alone would make up a data set, of unknown classes."""
    yaml = yolo_set(tmp_path / "src", 1)
    yaml.write_text(yaml.read_text() + "names: [again]\n")
    with pytest.raises(SourceError, match="line 4: the key 'names' stands twice"):
        pack(tmp_path / "src", tmp_path / "o.lmdb")


def test_a_data_set_without_a_photo_says_why(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 1)
    yaml.write_text("train: nowhere\nval: /etc\nnc: 1\n")
    with pytest.raises(SourceError, match=r"'nowhere' is neither.*'/etc' leads out"):
        pack(yaml, tmp_path / "o.lmdb")


def test_class_names_that_stand_twice_are_told_apart(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 1, names=("cat", "cat"))
    _, found = packed(yaml, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("cat", "cat [1]")
    assert of_kind(found, "class-name-twice")


def test_several_yamls_ask_for_a_choice(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "src", 1)
    other = yaml.with_name("other.yaml")
    other.write_bytes(yaml.read_bytes())
    with pytest.raises(SourceError, match=r"data\.yaml, other\.yaml; name the file"):
        pack(tmp_path / "src", tmp_path / "o.lmdb")
    assert packed(other, tmp_path / "o.lmdb")[0].contents.photos == 1


def test_a_yaml_elsewhere_names_the_data_set(tmp_path: Path) -> None:
    yaml = yolo_set(tmp_path / "data" / "set", 3)
    away = tmp_path / "configs" / "my.yaml"
    away.parent.mkdir()
    away.write_text("path: ../data/set\n" + yaml.read_text())
    summary, _ = packed(away, tmp_path / "o.lmdb")
    assert summary.source == str(tmp_path / "data" / "set")
    with pytest.raises(SourceError, match="nothing is written"):
        pack(away, tmp_path / "data" / "set" / "o.lmdb")
    unpack(tmp_path / "o.lmdb", tmp_path / "back")
    assert (tmp_path / "back" / "my.yaml").read_bytes() == away.read_bytes()


def test_a_file_that_is_no_data_set_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: 1\n")
    with pytest.raises(SourceError, match="found none of them"):
        pack(tmp_path / "a.yaml", tmp_path / "o.lmdb")
    with pytest.raises(SourceError, match="expected a folder for the layout flat"):
        pack(tmp_path / "a.yaml", tmp_path / "o.lmdb", layout="flat")
