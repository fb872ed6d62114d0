"""Tars of samples: keys, classes, what is kept beside photos, and tars that cannot be."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fastload.cli.commands import main
from fastload.convert import Finding, Severity, Summary, pack, unpack, verify
from fastload.convert.findings import RefusedError
from fastload.convert.sources import SourceItem, find_source
from fastload.convert.sources.webdataset import source as source_module
from fastload.convert.sources.webdataset.shards import expand
from fastload.convert.sources.webdataset.tar import TarMember, TarRemark, tar_members
from fastload.errors import ResumeError, SourceError
from fastload.store import NO_CLASS, Store, partial_path
from support.interrupt import StopAfter
from support.webdataset import cut_in, photo_bytes, write_tar


@pytest.fixture(scope="module")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("photos")
    return [photo_bytes(folder, seed) for seed in range(4)]


def packed(source: Path | str, out: Path, **options: object) -> tuple[Summary, list[Finding]]:
    found: list[Finding] = []
    return pack(source, out, on_finding=found.append, overwrite=True, **options), found


def of_kind(found: list[Finding], kind: str) -> list[tuple[str, str]]:
    return [(f.name, f.detail) for f in found if f.kind == kind]


def samples(store: Store) -> list[tuple[str, int]]:
    return list(zip(store.names, store.column("class_id").tolist(), strict=True))


def test_whole_numbers_are_class_ids_as_they_are(tmp_path: Path, jpegs: list[bytes]) -> None:
    path = write_tar(
        tmp_path / "src" / "a.tar",
        [("x.jpg", jpegs[0]), ("x.cls", b"5\n"), ("y.json", b'{"label": 2}'), ("y.JPG", jpegs[1]),
         ("z.cls", b"0"), ("z.json", b'{"label": 3}'), ("z.jpg", jpegs[2]), ("n.jpg", jpegs[3])],
    )  # fmt: skip
    summary, found = packed(path, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == ("0", "1", "2", "3", "4", "5")
        assert samples(store) == [("a.tar/x.jpg", 5), ("a.tar/y.JPG", 2), ("a.tar/z.jpg", 0),
                                  ("a.tar/n.jpg", NO_CLASS)]  # fmt: skip
        assert store.annotations is None
    assert of_kind(found, "photo-without-class") == [("a.tar/n.jpg", "none is stated")]
    assert (summary.problems_count, summary.layout) == (0, "webdataset")


@pytest.mark.parametrize(
    ("values", "names", "ids"),
    [
        ((b"dog", b"cat", b" dog "), ("cat", "dog"), [1, 0, 1]),
        ((b"100000", b"7", b"9"), ("7", "9", "100000"), [2, 0, 1]),
        ((b"10", b"cat", b"9"), ("10", "9", "cat"), [0, 2, 1]),
    ],
)
def test_other_classes_count_the_values_that_occur(
    tmp_path: Path,
    jpegs: list[bytes],
    values: tuple[bytes, ...],
    names: tuple[str, ...],
    ids: list[int],
) -> None:
    members = [(f"{n}.{end}", data) for n, value in enumerate(values)
               for end, data in (("jpg", jpegs[n]), ("cls", value))]  # fmt: skip
    packed(write_tar(tmp_path / "src" / "a.tar", members), tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert store.header.class_names == names
        assert store.column("class_id").tolist() == ids


def test_members_beside_the_photo_are_kept_byte_for_byte(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    beside = {"txt": "a dog \u00e9".encode(), "json": b'{"a": [1]}', "seg.png": b"\0\1"}
    members = [("d/x.jpg", jpegs[0]), *((f"d/x.{end}", data) for end, data in beside.items())]
    write_tar(tmp_path / "src" / "a.tar", [*members, ("d/y.jpg", jpegs[1]), ("d/y.txt", b"one")])
    packed(tmp_path / "src", tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        files = store.label_files(0)
        assert {file.name: file.text for file in files} == {
            f"a.tar/d/x.{end}": data for end, data in beside.items()
        }
        assert files[0].mtime_ns == 1_600_000_001 * 10**9
        assert [file.name for file in store.label_files(1)] == ["a.tar/d/y.txt"]
    assert unpack(tmp_path / "o.lmdb", tmp_path / "back").files == 6
    assert (tmp_path / "back/a.tar/d/x.txt").read_bytes() == beside["txt"]
    assert verify(tmp_path / "o.lmdb", tmp_path / "src").differences_count == 0


def test_what_is_not_packed_is_said(
    tmp_path: Path, jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    link, folder, sparse = (tarfile.TarInfo(n) for n in ("l.jpg", "dir", "s.jpg"))
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    folder.type, sparse.type = tarfile.DIRTYPE, tarfile.GNUTYPE_SPARSE
    path = write_tar(
        tmp_path / "src" / "a.tar",
        [folder, link, ("./x.jpg", jpegs[0]), ("./x.npy", bytes(70_000)), ("./x.cls", b"\xff"),
         ("x.jpg", jpegs[1]), ("README", b""), ("__info__", b"{}"), ("../up.jpg", jpegs[1]),
         ("v.mp4", b"video"), ("/y.jpg", jpegs[1]), ("y.cls", b"3"), ("x.jpg", jpegs[2]), sparse],
        form=tarfile.GNU_FORMAT,
    )  # fmt: skip
    summary, found = packed(path, tmp_path / "o.lmdb")
    kinds = {f.kind: (f.severity, f.detail) for f in found}
    assert {kind: severity.value for kind, (severity, _) in kinds.items()} == {
        "special-file": "problem", "duplicate-member": "problem", "no-key": "ignored",
        "unsafe-name": "problem", "no-photo": "problem", "duplicate-key": "problem",
        "not-packed": "ignored", "label": "problem", "photo-without-class": "note",
    }  # fmt: skip
    assert kinds["special-file"][1].startswith(
        "members that are no plain files (2): 'l.jpg', a link"
    )
    assert kinds["no-key"][1].endswith("'README'; '__info__'")
    assert kinds["no-photo"][1] == "samples without a photo (1): 'v' (.mp4)"
    assert of_kind(found, "not-packed")[0][0] == "a.tar/x.npy"
    assert of_kind(found, "label")[0][0] == "a.tar/x.cls"
    with Store(tmp_path / "o.lmdb") as store:
        assert samples(store) == [("a.tar/x.jpg", NO_CLASS), ("a.tar/y.jpg", 3)]
        assert [file.name for file in store.label_files(0)] == ["a.tar/x.cls"]
        assert len(store.problems) == summary.problems_count == 6
    assert verify(tmp_path / "o.lmdb", path).differences_count == 0


def test_more_than_a_store_can_keep_is_left_out_by_endings(
    tmp_path: Path, jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "MAX_KEPT_BYTES_IN_ALL", 250)
    path = write_tar(
        tmp_path / "src" / "a.tar",
        [("x.jpg", jpegs[0]), ("x.cls", b"1"), ("x.TXT", bytes(300)), ("y.jpg", jpegs[1]),
         ("y.cls", b"2")],
    )  # fmt: skip
    _, found = packed(path, tmp_path / "o.lmdb")
    assert [name for name, _ in of_kind(found, "not-packed")] == [".txt"]
    with Store(tmp_path / "o.lmdb") as store:
        assert [[f.name for f in store.label_files(i)] for i in range(2)] == [
            ["a.tar/x.cls"], ["a.tar/y.cls"],
        ]  # fmt: skip


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_of_any_length_and_bytes_come_back(
    tmp_path: Path, jpegs: list[bytes], form: int
) -> None:
    names = ["d" * 90 + "/" + "n" * 60, "x\udcff", "\u00e9/a b"]
    if form != tarfile.USTAR_FORMAT:
        names.append("long/" * 60 + "n" * 200)
    if form == tarfile.PAX_FORMAT:
        names[1] = "x"  # pax names are UTF-8
    path = write_tar(
        tmp_path / "src" / "a.tar", [(f"{name}.jpg", jpegs[0]) for name in names], form=form
    )
    packed(path, tmp_path / "o.lmdb")
    with Store(tmp_path / "o.lmdb") as store:
        assert list(store.names) == [f"a.tar/{name}.jpg" for name in names]
    assert unpack(tmp_path / "o.lmdb", tmp_path / "back").problems_count == 0
    assert verify(tmp_path / "o.lmdb", path).differences_count == 0


def test_times_of_pax_headers_are_exact(tmp_path: Path, jpegs: list[bytes]) -> None:
    info = tarfile.TarInfo("x.jpg")
    info.size, info.pax_headers = len(jpegs[0]), {"mtime": "1700000000.123456789"}
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(info, io.BytesIO(jpegs[0]))
    source = find_source(path)
    (item,) = [item for item in source.items() if not isinstance(item, Finding)]
    assert source.stamp(item) == (len(jpegs[0]), 1700000000123456789)


def members(data: bytes, folder: Path) -> tuple[list[str], list[TarRemark]]:
    path = folder / "t.tar"
    path.write_bytes(data)
    with open(path, "rb") as file:
        found = list(tar_members(file.fileno(), len(data)))
    remarks = [one for one in found if isinstance(one, TarRemark)]
    return [one.name for one in found if isinstance(one, TarMember)], remarks


@pytest.fixture
def plain(tmp_path: Path) -> bytes:
    return write_tar(tmp_path / "p.tar", [("a.jpg", bytes(600)), ("b.jpg", b"x")]).read_bytes()


def test_a_damaged_tar_gives_what_stands_before_the_damage(plain: bytes, tmp_path: Path) -> None:
    second = 512 + 1024
    for damaged, names, kind, said in (
        (plain[:second] + b"junk" * 128 + plain[second + 512 :], ["a.jpg"], "damaged-tar", "1,536"),
        (plain[: second + 100], ["a.jpg"], "damaged-tar", "1,536"),
        (plain[:1000], [], "damaged-tar", "has 488 of its 600 bytes"),
        (plain[:second], ["a.jpg"], "no-end-mark", "at byte 1,536"),
        (plain + plain, ["a.jpg", "b.jpg"], "behind-end", "10,240"),
        (b"not a tar" * 200, [], "damaged-tar", "at byte 0"),
        (b"", [], "no-end-mark", "at byte 0"),
    ):
        found, remarks = members(damaged, tmp_path)
        assert (found, [remark.kind for remark in remarks]) == (names, [kind])
        assert said in remarks[0].detail
    assert members(plain, tmp_path) == (["a.jpg", "b.jpg"], [])


def test_hostile_sizes_neither_loop_nor_take_memory(tmp_path: Path) -> None:
    def header(kind: bytes, size: bytes) -> bytes:
        info = tarfile.TarInfo("a.jpg")
        block = bytearray(info.tobuf(tarfile.USTAR_FORMAT))
        block[124:136], block[156:157] = size, kind
        block[148:156] = b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        return bytes(block)

    negative, huge = b"\xff" * 8 + b"\xff\xff\xfc\0", b"77777777777\0"
    for kind in (b"0", b"x", b"L", b"g", b"S", b"7"):
        for size in (negative, huge, b"\x80" + b"\xff" * 11, b"-0000000001\0", b"0000002000_\0"):
            found, remarks = members(header(kind, size) + bytes(1024), tmp_path)
            assert len(found) + len(remarks) >= 1
            assert found in ([], ["a.jpg"])
    chained = header(b"x", b"00000000000\0") * 3000
    found, remarks = members(chained + bytes(1024), tmp_path)
    assert (found, remarks[0].kind) == ([], "damaged-tar")


def test_every_cut_of_a_tar_is_noticed(plain: bytes, tmp_path: Path) -> None:
    for count in range(0, 2560, 31):
        found, remarks = members(plain[:count], tmp_path)
        assert len(found) == (count >= 1112) + (count >= 2049)
        assert bool(remarks) == (count < 2560)


def test_a_pattern_names_tars_and_missing_ones_are_problems(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    for number in (8, 10):
        write_tar(tmp_path / f"src/train-{number:03}.tar", [(f"{number}.jpg", jpegs[0])])
    write_tar(tmp_path / "src/other.tar", [("o.jpg", jpegs[0])])
    pattern = str(tmp_path / "src/train-{008..010}.tar")
    done = CliRunner().invoke(main, ["convert", pattern, str(tmp_path / "o.lmdb"), "--json"])
    summary = json.loads(done.stdout)
    assert (done.exit_code, summary["photos"], summary["splits"]) == (4, 2, {"train": 2})
    assert list(summary["problems"]) == ["missing"]
    done = CliRunner().invoke(main, ["verify", str(tmp_path / "o.lmdb"), "--source", pattern])
    assert done.exit_code == 0, done.output
    with pytest.raises(SourceError, match=r"expected tars, found none; x-1\.tar: "):
        pack(tmp_path / "src" / "x-{1..2}.tar", tmp_path / "p.lmdb")


def test_a_store_may_stand_beside_a_tar_and_never_in_its_place(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    path = write_tar(tmp_path / "a.tar", [("x.jpg", jpegs[0])])
    assert pack(path, tmp_path / "a.lmdb").contents.photos == 1
    assert pack(tmp_path / "{a,b}.tar", tmp_path / "pattern.lmdb").contents.photos == 1
    before = path.read_bytes()
    os.link(path, tmp_path / "link.tar")
    for name in ("a.tar", "link.tar"):
        for source in (path, tmp_path / "{a,b}.tar"):
            with pytest.raises(SourceError, match="is the source itself"):
                pack(source, tmp_path / name, overwrite=True)
    with pytest.raises(SourceError, match="lies inside the source"):
        pack(tmp_path, tmp_path / "b.lmdb", layout="webdataset")
    assert path.read_bytes() == before


def test_patterns_expand_as_a_shell_does() -> None:
    assert expand("{a,b}-{08..10}") == ["a-08", "a-09", "a-10", "b-08", "b-09", "b-10"]
    assert expand("x{2..0}") == ["x2", "x1", "x0"]
    for hostile in ("{0..99999999999}", "{0..999}" * 9):
        with pytest.raises(SourceError, match="at most"):
            expand(hostile)


def test_splits_are_words_of_names_or_folders_and_all_must_have_one(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    for number, name in enumerate(("set-validation-00.tar", "x_train_1.tar", "Test/constrain.tar")):
        write_tar(tmp_path / "src" / name, [(f"{number}.jpg", jpegs[number])])
    summary, _ = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert summary.contents.splits == {"train": 1, "validation": 1, "test": 1}
    write_tar(tmp_path / "src" / "constrained.tar", [("0.jpg", jpegs[3])])
    summary, found = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert summary.contents.splits == {}
    assert [name for name, _ in of_kind(found, "shard-without-split")] == ["constrained.tar"]
    assert of_kind(found, "shared-keys")[0][1].startswith("1 sample has")


def test_compressed_tars_are_problems_and_alone_an_error(
    tmp_path: Path, jpegs: list[bytes]
) -> None:
    path = write_tar(tmp_path / "src" / "a.tar", [("x.jpg", jpegs[0])])
    (tmp_path / "src" / "b.tar.gz").write_bytes(gzip.compress(path.read_bytes()))
    shutil.copy(tmp_path / "src" / "b.tar.gz", tmp_path / "src" / "named.tar")
    _, found = packed(tmp_path / "src", tmp_path / "o.lmdb")
    assert [f.name for f in found if f.severity is Severity.PROBLEM] == ["b.tar.gz", "named.tar"]
    with pytest.raises(SourceError, match=r"unpack it to a \.tar first"):
        pack(tmp_path / "src" / "b.tar.gz", tmp_path / "p.lmdb")


def test_photos_beside_tars_are_what_is_packed(tmp_path: Path, jpegs: list[bytes]) -> None:
    write_tar(tmp_path / "src" / "a.tar", [("x.jpg", jpegs[0])])
    (tmp_path / "src" / "y.jpg").write_bytes(jpegs[1])
    assert packed(tmp_path / "src", tmp_path / "o.lmdb")[0].layout == "flat"


def test_a_tar_that_changes_is_noticed(
    tmp_path: Path, jpegs: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fastload.convert.progress.INTERVAL_SECONDS", 0.0)
    path = write_tar(tmp_path / "src" / "a.tar", [(f"{n}.jpg", jpegs[n % 4]) for n in range(8)])
    out = tmp_path / "o.lmdb"
    with pytest.raises(KeyboardInterrupt):
        pack(path, out, progress=StopAfter(3), workers=1)
    assert partial_path(out).exists()
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[7 * 512] ^= 1
    path.write_bytes(data)
    with pytest.raises(ResumeError, match="source_state"):
        pack(path, out)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    pack(path, out)
    source = find_source(path)
    (item, *_) = [item for item in source.items() if isinstance(item, SourceItem)]
    cut_in(path, "6.jpg")
    with pytest.raises(RefusedError, match="changed after it was listed"):
        source.read(item, 1 << 30)
