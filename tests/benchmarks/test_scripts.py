"""Each benchmark runs on a few photos and verifies what it measures; no time is asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.pictures import picture

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 JPEG files in two folders: gray ones, 4:4:4 and 4:2:0, all wide enough for tiles."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(12):
        image = Image.fromarray(picture(90 + 5 * number, 150 - 4 * number, seed=number))
        folder = root / ("ape", "bee")[number % 2]
        folder.mkdir(exist_ok=True)
        if number % 5 == 3:
            image = image.convert("L")
        image.save(folder / f"{number}.jpg", quality=85, subsampling=2 * (number % 2))
    return root


def run(tmp_path: Path, script: str, *arguments: object) -> tuple[str, dict[str, Any]]:
    """Run a script; returns what it prints and its JSON."""
    path = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments), "--json", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(path.read_text())
    assert content["machine"]["cores"] > 0
    assert "fastload" in content["versions"]
    return done.stdout, content


SHORT = ("--rounds", 2, "--seconds", 0.1, "--epoch", 100, "--batch-size", 4, "--workers", 1)


@pytest.mark.slow
@pytest.mark.exact_pillow
def test_throughput_of_training_compares_the_store_with_torchvision(
    images: Path, tmp_path: Path
) -> None:
    """The row says that random crops were torchvision's bits, and has all its figures."""
    _, content = run(
        tmp_path, "throughput.py", "--images", images, "--mode", "train", *SHORT,
        "--only", "fastload_store",
    )  # fmt: skip
    row = content["train"]["rows"]["fastload_store"]
    assert row["compared_with_torchvision"] == 8
    assert len(row["images_per_second"]["rounds"]) == 2
    assert row["memory"]["rss_anonymous"] > 0
    assert row["cpu_milliseconds_per_image"] >= 0
    assert content["train"]["ratios"]["fastload_store / torch_pil"]["rate"] > 0


@pytest.mark.slow
@pytest.mark.exact_pillow
def test_throughput_of_validation_goes_on_without_a_peer(images: Path, tmp_path: Path) -> None:
    """Files and core functions give torch + PIL's bits; who is not installed is named."""
    peers = tmp_path / "peers"
    peers.mkdir()
    (peers / "dali.problem").write_text("no such wheel\n")
    printed, content = run(
        tmp_path, "throughput.py", "--images", images, "--mode", "val", *SHORT,
        "--only", "fastload_files", "core_functions", "dali", "spdl", "--peers", peers,
    )  # fmt: skip
    rows = content["val"]["rows"]
    assert set(rows) == {"torch_pil", "fastload_files", "core_functions"}
    assert all(row["deviation"]["bit_equal"] for row in rows.values())
    assert content["val"]["left_out"]["DALI (CPU)"] == "not installed: no such wheel"
    assert "setup_peers makes it" in content["val"]["left_out"]["SPDL"]
    assert "left out: SPDL" in printed


@pytest.mark.slow
def test_scale_reports_samples_threads_and_the_budget(images: Path, tmp_path: Path) -> None:
    """All rows are there, on stores of the asked size."""
    printed, content = run(
        tmp_path, "scale.py", "--images", images, "--samples", 40, "--epoch", 100,
        "--batch-size", 4, "--large-batch", 10, "--threads", 2, "--repeat", 1,
        "--seconds", 0.1,
    )  # fmt: skip
    assert content["samples"]["40 samples"]["samples"] == 40
    assert {row["samples"] for row in content["threads"].values()} == {100}
    assert set(content["threads"]) == {"2 threads", "batch 10"}
    assert "batch 10:" in printed


@pytest.mark.slow
@pytest.mark.exact_pillow
def test_decode_verifies_against_pillow(images: Path, tmp_path: Path) -> None:
    """All photos take part, and Pillow agrees with itself."""
    _, content = run(tmp_path, "decode.py", "--images", images, "--rounds", 1)
    assert content["photos"]["count"] == 12
    assert content["photos_that_differ_from_pillow"]["Pillow"] == 0


def test_packing_reads_back_what_it_packed(images: Path, tmp_path: Path) -> None:
    """Other formats' writers take part only where they are installed."""
    _, content = run(
        tmp_path, "packing.py", "--images", images, "--rounds", 1, "--peers", tmp_path / "none"
    )
    assert content["results"]["fastload-tiles"]["read_back"] == 12
    assert content["results"]["cp"]["read_back"] == 12
    assert set(content["left_out"]) == {
        "ffcv-jpg", "ffcv-raw", "litdata", "streaming", "webdataset"
    }  # fmt: skip


def test_background_checks_its_plots(tmp_path: Path) -> None:
    """Each way has drawn it."""
    _, content = run(tmp_path, "background.py", "--rounds", 1, "--classes", 3, "--step-ms", 2)
    assert set(content["results"]) == {"in the way", "thread", "process"}
    assert content["results"]["process"]["median"]["total"] > 0


def test_opening_checks_the_samples() -> None:
    """open_store prints its JSON."""
    command = [sys.executable, str(BENCHMARKS / "open_store.py"), "--samples", "500"]
    done = subprocess.run(
        [*command, "--repeat", "1"], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 500


@pytest.mark.slow
@pytest.mark.exact_pillow
def test_second_step_has_the_same_batches_and_files_on_both_sides(
    images: Path, tmp_path: Path
) -> None:
    """Both sides, training alone, and a row without all parts; a picture."""
    picture_path = tmp_path / "bars.png"
    printed, content = run(
        tmp_path, "second_step.py", "--images", images, "--quick", "--picture", picture_path,
        "--without", "overlap", "cache", "checkpoint", "background",
    )  # fmt: skip
    label = "without overlap, cache, checkpoint, background"
    assert list(content["sides"]) == ["stock", "fastload", label]
    assert list(content["epochs"]) == [*content["sides"], "alone"]
    assert content["verified"]["batches"] == 2 * 2 * 3  # sides, epochs, batches
    assert content["verified"]["files"] >= 2 * 7  # three pictures an epoch, results.csv
    for own in content["sides"].values():
        assert own["first"]["seconds"]["val forward"] > 0
        assert len(own["later"]["training_over_training_alone"]["values"]) == 1
    assert "verified: 12 batches" in printed
    with Image.open(picture_path) as drawn:
        assert drawn.width > 1000


@pytest.mark.slow
def test_cache_verifies_and_reports_every_row(images: Path, tmp_path: Path) -> None:
    """All epochs had the hits that their row promises, or the script would have failed."""
    printed, content = run(
        tmp_path, "cache.py", "--images", images, "--repeat", 2, "--rounds", 1, "--threads", 1,
        "--batch-size", 4, "--folder", tmp_path,
    )  # fmt: skip
    assert content["samples"] == 24
    assert content["milliseconds_an_image"]["without a cache"]["share_of_base"] == 1
    assert len(content["cpu_milliseconds_an_image"]) == 6
    assert 24 * content["sample_bytes"] <= content["cache_bytes"]
    assert content["cache_bytes"] < 24 * content["sample_bytes"] + 3 * 4096
    assert "a full cache:" in printed
