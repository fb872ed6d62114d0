"""The core's cache of rendered pixels: right batches whatever the file holds, within its budget."""

from __future__ import annotations

import os
import random
import resource
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fastload import _core
from fastload.engine import FilePictures
from support.pictures import picture

COUNT = 12
SHAPE = {"channels": 3, "height": 20, "width": 23}
SLOT = _core.SampleCache.slot_bytes(**SHAPE)
HEADER = _core.SampleCache.file_header_bytes
OPS = (("resize_shorter", 30, 0, 2), ("center_crop", 20, 23))
TABLE = np.random.Generator(np.random.PCG64(5)).normal(0, 3, (3, 256))


def aged(paths: list[str]) -> None:
    """Wait until files that were just written have times that can be relied on."""
    while any(os.stat(path).st_ctime_ns + 110_000_000 > time.time_ns() for path in paths):
        time.sleep(0.02)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> FilePictures:
    """Twelve files; the last two are PNGs, which only Pillow reads."""
    folder = tmp_path_factory.mktemp("files")
    paths = []
    for number in range(COUNT):
        path = folder / (f"{number:02d}.jpg" if number < COUNT - 2 else f"{number:02d}.png")
        image = Image.fromarray(picture(40 + 3 * number, 70 - 2 * number, seed=number))
        image.save(path, quality=90)
        paths.append(str(path))
    aged(paths)
    return FilePictures(paths)


@pytest.fixture
def engine() -> Iterator[Any]:
    """Works in the calling thread."""
    made = _core.Engine(0)
    yield made
    made.close()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    """An empty file's descriptor."""
    descriptor = os.open(tmp_path / "cache", os.O_RDWR | os.O_CREAT)
    yield descriptor
    os.close(descriptor)


def recipe(dtype: int = 0, ops: Any = OPS, **options: Any) -> Any:
    """Of SHAPE, unless told otherwise; ``dtype`` as the core numbers them."""
    kind = (np.uint8, np.float32, np.float16, np.uint16)[dtype]
    channels = options.get("channels", 3)
    table = (np.abs(TABLE * 20) if dtype in (0, 3) else TABLE).astype(kind)[:channels]
    return _core.Recipe(ops, dtype=dtype, table=table, **(SHAPE | options))


def cache_of(descriptor: int, *, budget: int = 1 << 30, **options: Any) -> Any:
    """On a file."""
    return _core.SampleCache(descriptor, budget_bytes=budget, **({"key": 7} | SHAPE | options))


def batch_of(engine: Any, files: FilePictures, made: Any, cache: Any = None) -> Any:
    """All pictures as one batch: its array, and how many the cache had."""
    batch = engine.submit(files.source, made, np.arange(len(files.paths)), 0, 1, 0, cache)
    while not batch.wait(0.01):
        taken = engine.take_external(0.0)
        if taken is not None:
            _, slot, index, _ = taken
            taken[0].fill_external(slot, np.ascontiguousarray(files.open(index)))
    assert not batch.failures()
    return batch.array(), batch.cache_hits


RECIPES: dict[str, Any] = {
    "plain": {},
    "flipped": {"ops": (*OPS, ("horizontal_flip", 1.0), ("vertical_flip", 1.0))},
    "unflipped": {"ops": (*OPS, ("horizontal_flip", 0.0), ("grayscale", 0.0))},
    "padded": {
        "ops": (("resize", 20, 23, 2), ("pad", 1, 2, 3, 4, (9, 99, 199))),
        "height": 26, "width": 27,
    },
    "gray": {"ops": (*OPS, ("grayscale", 1.0))},
    "one channel": {"ops": (*OPS, ("grayscale", 1.0)), "channels": 1},
    "never erased": {"ops": (*OPS, ("erase", 0.0, 0.1, 0.2, 0.5, 2.0, (0.0, 0.0, 0.0)))},
    "squeezed": {"ops": (("resize", 1, 17, 3),), "height": 1, "width": 17},
}  # fmt: skip


@pytest.mark.parametrize("dtype", range(4), ids=["uint8", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kind", RECIPES)
def test_batches_are_the_same_from_the_cache(engine, files, file, each_simd, kind, dtype):
    """First and second time, in both memory formats from one file."""
    options = RECIPES[kind]
    shape = {name: options.get(name, SHAPE[name]) for name in SHAPE}
    for channels_last in (False, True):
        made = recipe(dtype, channels_last=channels_last, **options)
        assert made.fixed
        expected, _ = batch_of(engine, files, made)
        for hits in (COUNT if channels_last else 0, COUNT):
            found, had = batch_of(engine, files, made, cache_of(file, **shape))
            assert had == hits
            assert found.tobytes() == expected.tobytes()


def test_slots_are_as_the_documents_say(engine, files, file):
    """Magic, number, fingerprint, checksum, zeros, then the planes."""
    found, _ = batch_of(engine, files, _core.Recipe(OPS, **SHAPE), cache_of(file))
    assert SLOT % 64 == 0
    fingerprints, checksums = set(), set()
    for index in range(COUNT):
        slot = os.pread(file, SLOT, HEADER + index * SLOT)
        magic, number, fingerprint, checksum = struct.unpack_from("<8sQQQ", slot)
        assert (magic, number, slot[32:64]) == (b"FLCSLOT1", index, bytes(32))
        assert slot[64:][: found[index].size] == found[index].tobytes()
        fingerprints.add(fingerprint)
        checksums.add(checksum)
    assert len(fingerprints) == len(checksums) == COUNT
    assert os.fstat(file).st_size == HEADER + COUNT * SLOT


def test_bytes_without_a_table(engine, files, file):
    """As they are, turned to channels last."""
    made = _core.Recipe(OPS, channels_last=True, **SHAPE)
    expected, _ = batch_of(engine, files, made)
    for hits in (0, COUNT):
        found, had = batch_of(engine, files, made, cache_of(file))
        assert had == hits
        assert found.tobytes() == expected.tobytes()


def test_a_second_pass_reads_and_decodes_nothing(engine, files, file):
    """The engine's own counters stand still."""
    cache = cache_of(file)
    batch_of(engine, files, recipe(1), cache)
    before = engine.stats()
    batch_of(engine, files, recipe(1), cache)
    after = engine.stats()
    for name in ("bytes_read", "decode_seconds", "external"):
        assert after[name] == before[name], name
    assert after["cache_hits"] - before["cache_hits"] == COUNT
    assert (cache.written, cache.write_error) == (COUNT, 0)


@pytest.mark.parametrize("slots", [0, 1, 5, 9])
def test_budget_is_kept_and_the_rest_is_decoded(engine, files, file, slots):
    """Whoever comes first stays; later epochs hit the same ones."""
    expected, _ = batch_of(engine, files, recipe(1))
    os.pwrite(file, bytes(HEADER), 0)
    budget = HEADER + slots * SLOT + 2 * 4096  # which are reserved while writing
    cache = cache_of(file, budget=budget)
    kept = []
    for _ in range(3):
        found, had = batch_of(engine, files, recipe(1), cache)
        assert found.tobytes() == expected.tobytes()
        assert cache.used_bytes == os.fstat(file).st_blocks * 512 <= budget
        kept.append(had)
    assert kept[0] == 0
    assert kept[1] == kept[2]
    assert slots - 4096 // SLOT - 1 <= kept[1] <= slots


def test_budget_is_one_for_all_who_write_to_a_file(engine, files, file):
    """Each sees what the file takes, not only what it wrote itself."""
    os.pwrite(file, bytes(HEADER), 0)
    budget = HEADER + 6 * SLOT + 2 * 4096
    caches = [cache_of(file, budget=budget) for _ in range(3)]
    made = recipe(1)
    for index in range(COUNT - 2):
        cache = caches[index % 3]
        batch = engine.submit(files.source, made, np.array([index]), 0, 1, 0, cache)
        assert batch.wait(5)
        assert os.fstat(file).st_blocks * 512 <= budget
    written = [cache.written for cache in caches]
    assert 3 <= sum(written) <= 6
    assert all(written)


@pytest.mark.parametrize(
    "op",
    [
        ("random_resized_crop", 20, 23, 0.5, 1.0, 0.7, 1.4, 2),
        ("random_crop", 20, 23, True, (0, 0, 0)),
    ],
)
def test_random_crops_are_not_fixed(op):
    """Whatever their limits are."""
    assert not recipe(ops=(op,)).fixed


@pytest.mark.parametrize("name", ["horizontal_flip", "vertical_flip", "grayscale"])
def test_chances_are_fixed_at_their_ends(name):
    """0 and 1, and nothing between."""
    fixed = [recipe(ops=(*OPS, (name, p))).fixed for p in (0.0, 1e-9, 0.5, 1 - 1e-9, 1.0)]
    assert fixed == [True, False, False, False, True]


def test_erasing_is_fixed_only_where_it_never_happens():
    """With certainty it still draws where."""
    for chance in (0.0, 0.5, 1.0):
        op = ("erase", chance, 0.1, 0.2, 0.5, 2.0, (0.0, 0.0, 0.0))
        assert recipe(ops=(*OPS, op)).fixed == (chance == 0)


def test_engine_takes_no_cache_for_another_recipe(engine, files, file):
    """Random ones, and those of another shape."""
    flips = recipe(ops=(*OPS, ("horizontal_flip", 0.5)))
    indices = np.arange(2)
    for made, cache in (
        (flips, cache_of(file)),
        (recipe(), cache_of(file, height=23, width=20)),
        (recipe(), cache_of(file, channels=1)),
    ):
        with pytest.raises(ValueError, match="fixed recipe"):
            engine.submit(files.source, made, indices, 0, 1, 0, cache)


@pytest.mark.parametrize(
    "shape", [{"channels": 2}, {"height": 0}, {"width": -1}, {"height": 1 << 16, "width": 1 << 16}]
)
def test_shapes_that_cannot_be_are_refused(file, shape):
    """Before any memory is taken."""
    with pytest.raises(ValueError, match="expected 1 or 3 channels"):
        cache_of(file, **shape)


def test_another_key_finds_nothing(engine, files, file):
    """Slots of one are no slots of the other, even in one file."""
    expected, _ = batch_of(engine, files, recipe(1))
    batch_of(engine, files, recipe(1), cache_of(file))
    found, had = batch_of(engine, files, recipe(1), cache_of(file, key=8))
    assert had == 0
    assert found.tobytes() == expected.tobytes()
    assert batch_of(engine, files, recipe(1), cache_of(file, key=8))[1] == COUNT


def damage(content: bytearray, draws: random.Random) -> bytearray:
    """One of what happens to files."""
    kind = draws.randrange(5)
    place = draws.randrange(len(content))
    if kind == 0:
        content[place] ^= 1 << draws.randrange(8)
    elif kind == 1:
        del content[place:]
    elif kind == 2:
        content[place : place + 500] = bytes(min(500, len(content) - place))
    elif kind == 3:  # a piece of it at another place
        piece = content[place : place + 2 * SLOT]
        other = draws.randrange(len(content))
        content[other : other + len(piece)] = piece
    else:  # whole slots exchanged
        one, other = (HEADER + SLOT * draws.randrange(COUNT) for _ in range(2))
        piece = content[one : one + SLOT]
        content[one : one + SLOT] = content[other : other + SLOT]
        content[other : other + SLOT] = piece
    return content


def test_damaged_files_are_misses(engine, files, file):
    """Flipped bits, cut ends, holes, slots at wrong places: right batches, and mended."""
    expected, _ = batch_of(engine, files, recipe(1))
    batch_of(engine, files, recipe(1), cache_of(file))
    intact = os.pread(file, 1 << 30, 0)
    draws = random.Random(11)
    missed = 0
    for number in range(200):
        content = damage(bytearray(intact), draws)
        os.ftruncate(file, 0)
        os.pwrite(file, content, 0)
        cache = cache_of(file, writable=number % 10 != 0)
        found, had = batch_of(engine, files, recipe(1), cache)
        assert found.tobytes() == expected.tobytes(), number
        assert had >= COUNT - 4 or len(content) < len(intact), number
        missed += COUNT - had
        if number % 10:
            assert batch_of(engine, files, recipe(1), cache)[1] == COUNT
    assert missed > 150


def test_file_cut_short_under_an_open_cache(engine, files, file):
    """It is read and not mapped: what is gone is a miss."""
    expected, _ = batch_of(engine, files, recipe(1))
    cache = cache_of(file)
    batch_of(engine, files, recipe(1), cache)
    for size in (HEADER + 5 * SLOT + 77, HEADER, 0):
        os.ftruncate(file, size)
        found, had = batch_of(engine, files, recipe(1), cache)
        assert had == max(0, size - HEADER) // SLOT
        assert found.tobytes() == expected.tobytes()


def test_cache_that_is_only_read(engine, files, tmp_path, file):
    """Its hits are hits, and nothing is written."""
    batch_of(engine, files, recipe(1), cache_of(file))
    os.pwrite(file, b"x", HEADER + 3 * SLOT + 100)
    before = os.pread(file, 1 << 30, 0)
    descriptor = os.open(tmp_path / "cache", os.O_RDONLY)
    for writable in (False, True):  # told so, and found out
        cache = cache_of(descriptor, writable=writable)
        for _ in range(2):
            assert batch_of(engine, files, recipe(1), cache)[1] == COUNT - 1
        assert (cache.written, cache.write_error != 0) == (0, writable)
    os.close(descriptor)
    assert os.pread(file, 1 << 30, 0) == before


def test_full_disk_stops_writing_and_nothing_else(engine, files, file):
    """As a quota or a full disk would, at any place within a slot."""
    expected, _ = batch_of(engine, files, recipe(1))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for limit in (HEADER, HEADER + 7, HEADER + 4 * SLOT, HEADER + 4 * SLOT + 1000):
        os.ftruncate(file, 0)
        cache = cache_of(file)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
        try:
            batches = [batch_of(engine, files, recipe(1), cache) for _ in range(3)]
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert all(found.tobytes() == expected.tobytes() for found, _ in batches)
        kept = (limit - HEADER) // SLOT
        assert [had for _, had in batches] == [0, kept, kept]
        assert (cache.written, cache.write_error) == (kept, 27)  # EFBIG


def test_changed_file_is_a_miss(engine, tmp_path, file):
    """At once, also where size and modification time are as they were; then it is kept anew."""
    path = tmp_path / "photo.bmp"

    def write(shade: int) -> None:
        Image.fromarray(np.full((40, 40, 3), shade, np.uint8)).save(path)
        os.utime(path, ns=(10**18, 10**18))
        aged([str(path)])

    write(10)
    pictures = FilePictures([str(path)])
    cache = cache_of(file)
    made = _core.Recipe(OPS, **SHAPE)
    for shade in (10, 200, 30):
        write(shade)
        for hits in (0, 1):
            found, had = batch_of(engine, pictures, made, cache)
            assert (had, set(found.ravel().tolist())) == (hits, {shade})


def test_file_that_changed_this_moment_is_not_kept(engine, tmp_path, file):
    """It might change once more before the clock of its file system moves on."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture(50, 60)).save(path)
    pictures = FilePictures([str(path)])
    cache = cache_of(file)
    while True:
        os.utime(path)
        batch_of(engine, pictures, recipe(), cache)
        if os.stat(path).st_ctime_ns + 90_000_000 > time.time_ns():
            break  # it was young all the time
    assert cache.written == 0
    aged([str(path)])
    batch_of(engine, pictures, recipe(), cache)
    assert cache.written == 1


def test_missing_file_fails_as_without_a_cache(engine, tmp_path, file):
    """Although its pixels are still there."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture(50, 60)).save(path)
    aged([str(path)])
    pictures = FilePictures([str(path)])
    cache = cache_of(file)
    batch_of(engine, pictures, recipe(), cache)
    path.unlink()
    batch = engine.submit(pictures.source, recipe(), np.array([0]), 0, 1, 0, cache)
    assert batch.wait(5)
    assert "cannot be opened" in batch.failures()[0][2]
