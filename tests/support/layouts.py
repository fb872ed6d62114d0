"""One small data set of every layout that can be packed, with something wrong in each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from support import huggingface
from support.coco import coco_set, write_json
from support.huggingface import huggingface_set
from support.trees import image_folder, snapshot, write_photo
from support.voc import voc_set
from support.webdataset import tar_members, webdataset_set
from support.yolo import BOXES, yolo_set

__all__ = ["LAYOUTS", "given_back"]


def _imagefolder(root: Path) -> Path:
    image_folder(root, classes=2, photos=6)
    (root / "class_0" / "photo_002x.jpg").write_bytes(b"")
    return root


def _splits(root: Path) -> Path:
    for split in ("train", "val"):
        image_folder(root / split, classes=2, photos=3)
    (root / "val" / "class_1" / "photo_000x.jpg").write_bytes(b"no photo")
    return root


def _flat(root: Path) -> Path:
    for number in range(12):
        write_photo(root / f"p{number:02}.jpg", 30 + number, 64, seed=number)
    (root / "p03x.jpg").write_bytes(b"")
    return root


def _yolo(root: Path) -> Path:
    yolo_set(root, 12)
    (root / "labels" / "train" / "p4.txt").write_text("0 0.5 0.5 0.5\n")
    (root / "labels" / "train" / "p10.txt").write_text(BOXES + BOXES)
    (root / "labels" / "val" / "gone.txt").write_text(BOXES)
    (root / "images" / "train" / "p5x.jpg").write_bytes(b"")
    return root


def _coco(root: Path) -> Path:
    files = coco_set(root, 12)
    files["train2017"]["annotations"][0]["bbox"] = [1, 2]
    files["val2017"]["images"].append({"id": 5, "file_name": "gone.jpg"})
    write_json(root, files)
    return root


def _voc(root: Path) -> Path:
    voc_set(root, 12)
    (root / "Annotations" / "p04.xml").write_text("<annotation><object/></annotation>")
    (root / "Annotations" / "p07.xml").unlink()
    with open(root / "ImageSets/Main/val.txt", "a") as file:
        file.write("gone\n")
    (root / "Annotations" / "orphan.xml").write_text("<annotation/>")
    return root


def _table(root: Path) -> Path:
    rows = ["image,label,xmin,ymin,xmax,ymax,split"]
    for number in range(12):
        write_photo(root / "photos" / f"{number}.jpg", 30, 40, seed=number)
        cells = ("cat,1,2,3.5,4", ",,,,", "dog,1,2,x,4", "cow,0,0,9,9")[number % 4]
        rows.append(f"photos/{number}.jpg,{cells},{'train' if number % 3 else 'val'}")
    (root / "metadata.csv").write_text("\n".join([*rows, "photos/gone.jpg,,,,,,val", "short"]))
    return root


def _list(root: Path) -> Path:
    for number in range(12):
        write_photo(root / "photos" / f"{number}.jpg", 30, 40, seed=number)
    lines = [f"photos/{number}.jpg" for number in range(11, -1, -1)]
    (root / "all.txt").write_text("\n".join([*lines, "photos/gone.jpg", "../x.jpg", lines[0]]))
    return root / "all.txt"


#: Layout -> makes a data set below a folder, and returns what is to be packed.
LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "imagefolder": _imagefolder,
    "splits": _splits,
    "flat": _flat,
    "yolo": _yolo,
    "coco": _coco,
    "voc": _voc,
    "webdataset": webdataset_set,
    "huggingface": huggingface_set,
    "table": _table,
    "list": _list,
}
#: Files that no store can give back: no photos, and labels of no photo.
LOST = {"class_0/photo_002x.jpg", "val/class_1/photo_000x.jpg", "p03x.jpg"}
LOST |= {"Annotations/orphan.xml"}
LOST |= {"images/train/p5x.jpg", "labels/val/gone.txt"}


def given_back(layout: str, root: Path) -> dict[str, tuple[bytes, int, int]]:
    """What ``unpack`` gives back of one of ``LAYOUTS``, as ``snapshot`` sees it."""
    if layout == "webdataset":
        return tar_members(root)
    if layout == "huggingface":
        return huggingface.given_back(root)
    return {name: file for name, file in snapshot(root).items() if name not in LOST}
