"""The yaml of a YOLO data set: checked, and nothing in it is run or fetched."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastload.convert.files import read_file
from fastload.convert.findings import Finding, RefusedError, Severity
from fastload.convert.labelled import LabelError, shown
from fastload.convert.safe_yaml import MAX_YAML_BYTES, load_yaml
from fastload.convert.sources.class_names import unique_names
from fastload.errors import SourceError

__all__ = ["SPLIT_KEYS", "YoloConfig", "is_yolo_yaml", "read_config"]

#: What a yaml may call its splits, in the order in which they are packed.
SPLIT_KEYS = ("train", "val", "validation", "test", "minival")
_MAX_CLASSES = 1_000_000
_NAMES_LINE = re.compile(rb"^(names|nc)\s*:", re.MULTILINE)
_SPLIT_LINE = re.compile(rb"^(train|val|validation|test)\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class YoloConfig:
    """What a data set's yaml says.

    Attributes:
        path: the yaml.
        base: its ``path``, or "".
        splits: split -> folders and lists, as they are written.
        class_names: in the order of class ids, each once.
        keypoint_shape: (K, 2 or 3), or ().
        keypoint_flip: ``flip_idx``, or ().
        keypoint_names: of the first class that has some, or ().
        findings: what is worth saying.
    """

    path: str
    base: str
    splits: dict[str, tuple[str, ...]]
    class_names: tuple[str, ...]
    keypoint_shape: tuple[int, ...]
    keypoint_flip: tuple[int, ...]
    keypoint_names: tuple[str, ...]
    findings: tuple[Finding, ...]


def is_yolo_yaml(path: str) -> bool:
    """Whether a file looks like the yaml of a YOLO data set, be it a broken one."""
    data = b""
    try:
        data = read_file(path, MAX_YAML_BYTES).data
        values = load_yaml(data)
    except RefusedError:
        return False
    except LabelError:
        # To be reported, rather than passed over for what else the folder may be taken for; it may
        # be in UTF-16, as some editors write it.
        data = data.replace(b"\0", b"")
        return bool(_NAMES_LINE.search(data)) and bool(_SPLIT_LINE.search(data))
    return bool({"names", "nc"} & set(values)) and bool(set(SPLIT_KEYS) & set(values))


def read_config(path: str) -> YoloConfig:
    """The yaml at ``path``.

    Raises:
        SourceError: it is not the yaml of a YOLO data set; with the line where one is known.
    """
    try:
        return _config(path, load_yaml(read_file(path, MAX_YAML_BYTES).data))
    except RefusedError as error:
        raise SourceError(f"{path}: {error.detail}") from None
    except LabelError as error:
        raise SourceError(f"{path}: {error}") from None


def _config(path: str, values: dict[Any, Any]) -> YoloConfig:
    findings: list[Finding] = []

    def note(kind: str, detail: str) -> None:
        findings.append(Finding(os.path.basename(path), Severity.NOTE, kind, detail))

    if values.get("download"):
        note("download", "it names something to download or run; fastload never does")
    splits = {}
    for key in SPLIT_KEYS:
        entries = _entries(key, values.get(key))
        if entries:
            name = "val" if key == "validation" else key
            if name in splits:
                raise LabelError("expected one of val and validation, found both")
            splits[name] = entries
    if not splits:
        raise LabelError(
            f"expected one of {', '.join(SPLIT_KEYS)} with a folder or a list of files"
        )
    base = values.get("path")
    if base is not None and not isinstance(base, str):
        raise LabelError(f"path: expected a folder, found {shown(base)}")
    shape = _keypoint_shape(values.get("kpt_shape"))
    return YoloConfig(
        path,
        os.path.expanduser(base or ""),
        splits,
        unique_names(_names(values), partial(note, "class-name-twice")),
        shape,
        _flip(values.get("flip_idx"), shape),
        _keypoint_names(values.get("kpt_names"), shape),
        tuple(findings),
    )


def _entries(key: str, value: object) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    entries = value if isinstance(value, list) else [value]
    for entry in entries:
        if not isinstance(entry, str) or not entry or "\0" in entry:
            raise LabelError(
                f"{key}: expected a folder, a list file or several, found {shown(entry)}"
            )
        if "://" in entry:
            raise LabelError(f"{key}: {shown(entry)} is an address; fastload fetches nothing")
    return tuple(entries)


def _names(values: dict[Any, Any]) -> list[str]:
    names, count = values.get("names"), values.get("nc")
    if names is None and count is None:
        raise LabelError("expected names (of the classes) or nc (how many there are)")
    if count is not None and (type(count) is not int or not 0 < count <= _MAX_CLASSES):
        raise LabelError(f"nc: expected 1..{_MAX_CLASSES}, found {shown(count)}")
    if names is None:
        return [f"class_{number}" for number in range(count or 0)]
    if isinstance(names, dict):
        numbered = {_class_number(key): name for key, name in names.items()}
        if sorted(numbered, key=str) != sorted(range(len(names)), key=str):
            raise LabelError(f"names: expected the ids 0..{len(names) - 1}, each once")
        names = numbered
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names or len(names) > _MAX_CLASSES:
        raise LabelError(f"names: expected a list or id: name, found {shown(names)}")
    for name in names:
        if not isinstance(name, (str, int, float)):
            raise LabelError(f"names: expected text, found {shown(name)}")
    if count is not None and len(names) != count:
        raise LabelError(f"names: expected as many as nc, {count}, found {len(names)}")
    return [str(name) for name in names]


def _class_number(key: object) -> object:
    """The id that a key stands for: texts of digits are numbers, as ultralytics reads them."""
    digits = isinstance(key, str) and key.isascii() and key.isdigit() and len(key) < 10
    return int(key) if digits and isinstance(key, str) else key


def _keypoint_shape(value: object) -> tuple[int, ...]:
    if value is None:
        return ()
    if isinstance(value, list) and [type(number) for number in value] == [int, int]:
        count, dimensions = value
        if 0 < count <= 1000 and dimensions in (2, 3):
            return count, dimensions
    raise LabelError(f"kpt_shape: expected [count, 2 or 3], found {shown(value)}")


def _flip(value: object, shape: tuple[int, ...]) -> tuple[int, ...]:
    if value is None or not shape:
        return ()
    numbers = list(range(shape[0]))
    if (
        not isinstance(value, list)
        or any(type(number) is not int for number in value)
        or sorted(value) != numbers
    ):
        raise LabelError(
            f"flip_idx: expected 0..{shape[0] - 1} in some order, found {shown(value)}"
        )
    return tuple(value)


def _keypoint_names(value: object, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Ultralytics' ``kpt_names``: class id -> names; they are a help and no more."""
    if isinstance(value, dict):
        value = next(iter(value.values()), None)
    if not shape or not isinstance(value, list) or len(value) != shape[0]:
        return ()
    # Lists are not spelled out: aliases upon aliases in them would have no end.
    return tuple(map(str, value)) if all(isinstance(name, (str, int)) for name in value) else ()
