"""Several label files of a sample: kept as one, given back as they were, and read with care."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fastload.errors import StoreFormatError
from fastload.store import (
    AnnotationHeader,
    LabelFile,
    LabelState,
    Objects,
    SampleLabels,
    Store,
    StoreWriter,
    WriterHeader,
    bundle,
)
from fastload.store.label_bundle import unbundle
from support.stores import make_samples

FILES = (
    LabelFile("a.tar/dir/x.json", b'{"label": 1}', 5, 0o100644),
    LabelFile("a.tar/dir/x.cls", b"", 7, 0o100600),
    LabelFile("a.tar/dir/x.\udcff\n\u00e9", b"\0\n\xff", -3, 0o100644),
)
PLAIN = WriterHeader(annotations=AnnotationHeader("webdataset", objects=False, label_files=True))


def test_one_file_stays_as_it_is_and_several_come_back_in_order() -> None:
    assert bundle([]) is None
    assert unbundle(None) == ()
    assert bundle(FILES[:1]) is FILES[0]
    assert unbundle(FILES[0]) == FILES[:1]
    found = bundle(FILES)
    assert found is not None
    assert (found.name, found.mtime_ns, found.mode) == ("a.tar/dir/", 7, 0o100644)
    assert unbundle(found) == FILES
    # As docs/format.md has it, byte by byte.
    assert found.text == (
        b'[["x.json",12,5,33188],["x.cls",0,7,33152],["x.\\udcff\\n\\u00e9",3,-3,33188]]\n'
        b'{"label": 1}\0\n\xff'
    )


@pytest.mark.parametrize("prefix", ["", "x/", "y./"])
def test_files_may_have_no_folder_in_common(prefix: str) -> None:
    found = bundle([LabelFile("a/c", b"1"), LabelFile("b", b"2")])
    assert found is not None
    assert found.name == "./"
    merged = replace(found, name=prefix + found.name)
    assert [file.name for file in unbundle(merged)] == [f"{prefix}a/c", f"{prefix}b"]


@pytest.mark.parametrize(
    "text",
    [b"", b"[]\nx", b"[1]\n", b"{}x", b'[["a",1,2,3]]\n', b'[["a",-1,2,3]]\n', b'[["a",0,2]]\n',
     b'[[1,0,2,3]]\n', b'[["a",0,1e30,3]]\n', b'[["a",true,2,3]]\nx', b"\xff\n", b"[" * 100_000,
     b'[["\\ud800",0,2,3]]\n', b'[["a",0,9223372036854775808,3]]\n'],
)  # fmt: skip
def test_a_damaged_bundle_is_an_error(text: bytes) -> None:
    with pytest.raises(StoreFormatError, match="folder/"):
        unbundle(LabelFile("folder/", text))


def test_files_may_be_all_that_is_known_of_samples(tmp_path: Path) -> None:
    path = tmp_path / "out.lmdb"
    wanted: list[tuple[LabelFile, ...]] = [FILES, (), FILES[1:2]]
    records = [sample.record for sample in make_samples(4)]
    with StoreWriter(path, PLAIN) as writer:
        for number, files in enumerate(wanted):
            labels = SampleLabels(file=bundle(files))
            writer.append(records[number], name=f"{number}.jpg", labels=labels)
        some = SampleLabels(LabelState.PRESENT, Objects.of([0], [[0, 0, 1, 1]]))
        with pytest.raises(ValueError, match="without objects"):
            writer.append(records[3], name="3.jpg", labels=some)
        writer.commit(3)
        writer.publish()
    with Store(path) as store:
        assert store.annotations is None
        assert [store.label_files(index) for index in range(3)] == wanted
        with pytest.raises(IndexError):
            store.label_files(3)
