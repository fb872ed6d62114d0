"""Each benchmark runs on a few photos and verifies what it measures; no time is asserted."""

from __future__ import annotations

import pytest
from PIL import Image

from support.benchmarks import Finished

SHORT = ("--rounds", "2", "--seconds", "0.1", "--epoch", "100", "--batch-size", "4",
         "--workers", "1")  # fmt: skip


@pytest.mark.slow
@pytest.mark.exact_pillow
@pytest.mark.benchmark(
    "second_step.py", "--images", "{images}", "--quick", "--picture", "{folder}/bars.png",
    "--without", "overlap", "cache", "checkpoint", "background",
)  # fmt: skip
def test_second_step_has_the_same_batches_and_files_on_both_sides(finished: Finished) -> None:
    """Both sides, training alone, and a row without all parts; a picture."""
    content = finished.figures()
    label = "without overlap, cache, checkpoint, background"
    assert list(content["sides"]) == ["stock", "fastload", label]
    assert list(content["epochs"]) == [*content["sides"], "alone"]
    assert content["verified"]["batches"] == 2 * 2 * 3  # sides, epochs, batches
    assert content["verified"]["files"] >= 2 * 7  # three pictures an epoch, results.csv
    for own in content["sides"].values():
        assert own["first"]["seconds"]["val forward"] > 0
        assert len(own["later"]["training_over_training_alone"]["values"]) == 1
    assert "verified: 12 batches" in finished.printed
    with Image.open(finished.folder / "bars.png") as drawn:
        assert drawn.width > 1000


@pytest.mark.slow
@pytest.mark.benchmark(
    "checkpoint.py", "--mb", "3", "--rounds", "2", "--step-ms", "1", "--folder", "{folder}"
)
def test_every_way_of_saving_is_measured_and_verified(finished: Finished) -> None:
    """Two rounds of 3 MB, and nothing is left behind."""
    (size,) = finished.figures()["sizes"]
    assert size["tensors"] == 768
    assert set(size["rows"]) == {
        "torch", "dcp", "dcp-kept", "lightning", "fastload-thread", "fastload-process"
    }  # fmt: skip
    for rounds in size["rows"].values():
        assert len(rounds) == 2
        assert all(figures["blocked"] > 0 and figures["total"] > 0 for figures in rounds)
    assert [path.name for path in finished.folder.iterdir()] == ["figures.json"]


@pytest.mark.slow
@pytest.mark.exact_pillow
@pytest.mark.benchmark(
    "throughput.py", "--images", "{images}", "--mode", "train", *SHORT, "--only", "fastload_store"
)
def test_throughput_of_training_compares_the_store_with_torchvision(finished: Finished) -> None:
    """The row says that random crops were torchvision's bits, and has all its figures."""
    content = finished.figures()
    row = content["train"]["rows"]["fastload_store"]
    assert row["compared_with_torchvision"] == 8
    assert len(row["images_per_second"]["rounds"]) == 2
    assert row["memory"]["rss_anonymous"] > 0
    assert row["cpu_milliseconds_per_image"] >= 0
    assert content["train"]["ratios"]["fastload_store / torch_pil"]["rate"] > 0


@pytest.mark.slow
@pytest.mark.exact_pillow
@pytest.mark.benchmark(
    "throughput.py", "--images", "{images}", "--mode", "val", *SHORT,
    "--only", "fastload_files", "core_functions", "dali", "spdl", "--peers", "{peers}",
)  # fmt: skip
def test_throughput_of_validation_goes_on_without_a_peer(finished: Finished) -> None:
    """Files and core functions give torch + PIL's bits; who is not installed is named."""
    content = finished.figures()
    rows = content["val"]["rows"]
    assert set(rows) == {"torch_pil", "fastload_files", "core_functions"}
    assert all(row["deviation"]["bit_equal"] for row in rows.values())
    assert content["val"]["left_out"]["DALI (CPU)"] == "not installed: no such wheel"
    assert "setup_peers makes it" in content["val"]["left_out"]["SPDL"]
    assert "left out: SPDL" in finished.printed


@pytest.mark.slow
@pytest.mark.benchmark(
    "scale.py", "--images", "{images}", "--samples", "40", "--epoch", "100", "--batch-size", "4",
    "--large-batch", "10", "--threads", "2", "--repeat", "1", "--seconds", "0.1",
)  # fmt: skip
def test_scale_reports_samples_threads_and_the_budget(finished: Finished) -> None:
    """All rows are there, on stores of the asked size."""
    content = finished.figures()
    assert content["samples"]["40 samples"]["samples"] == 40
    assert {row["samples"] for row in content["threads"].values()} == {100}
    assert set(content["threads"]) == {"2 threads", "batch 10"}
    assert "batch 10:" in finished.printed


@pytest.mark.benchmark("background.py", "--rounds", "1", "--classes", "3", "--step-ms", "2")
def test_background_checks_its_plots(finished: Finished) -> None:
    """Each way has drawn it."""
    content = finished.figures()
    assert set(content["results"]) == {"in the way", "thread", "process"}
    assert content["results"]["process"]["median"]["total"] > 0


@pytest.mark.slow
@pytest.mark.benchmark(
    "formats.py", "--images", "{images}", "--rounds", "1", "--repeat", "1", "--threads", "1"
)
def test_every_way_of_keeping_photos_is_measured(finished: Finished) -> None:
    """Batches were compared, or it would have ended with an error."""
    found = finished.figures()
    assert set(found["sizes"]) == set(found["packing"]) == set(found["train"]) == set(found["val"])
    assert found["sizes"]["--format raw"] > found["sizes"]["tiles"]


@pytest.mark.slow
@pytest.mark.benchmark(
    "cache.py", "--images", "{images}", "--repeat", "2", "--rounds", "1", "--threads", "1",
    "--batch-size", "4", "--folder", "{folder}",
)  # fmt: skip
def test_cache_verifies_and_reports_every_row(finished: Finished) -> None:
    """All epochs had the hits that their row promises, or the script would have failed."""
    content = finished.figures()
    assert content["samples"] == 24
    assert content["milliseconds_an_image"]["without a cache"]["share_of_base"] == 1
    assert len(content["cpu_milliseconds_an_image"]) == 6
    assert 24 * content["sample_bytes"] <= content["cache_bytes"]
    assert content["cache_bytes"] < 24 * content["sample_bytes"] + 3 * 4096
    assert "a full cache:" in finished.printed


@pytest.mark.slow
@pytest.mark.exact_pillow
@pytest.mark.benchmark("decode.py", "--images", "{images}", "--rounds", "1")
def test_decode_verifies_against_pillow(finished: Finished) -> None:
    """All photos take part, and Pillow agrees with itself."""
    content = finished.figures()
    assert content["photos"]["count"] == 12
    assert content["photos_that_differ_from_pillow"]["Pillow"] == 0


@pytest.mark.benchmark("packing.py", "--images", "{images}", "--rounds", "1", "--peers", "{peers}")
def test_packing_reads_back_what_it_packed(finished: Finished) -> None:
    """Other formats' writers take part only where they are installed."""
    content = finished.figures()
    assert content["results"]["fastload-tiles"]["read_back"] == 12
    assert content["results"]["cp"]["read_back"] == 12
    assert set(content["left_out"]) == {
        "ffcv-jpg", "ffcv-raw", "litdata", "streaming", "webdataset"
    }  # fmt: skip


@pytest.mark.benchmark("open_store.py", "--samples", "500", "--repeat", "1")
def test_opening_checks_the_samples(finished: Finished) -> None:
    """It has compared what it read."""
    content = finished.figures()
    assert [run["samples"] for run in content["runs"]] == [500]
    assert content["runs"][0]["open_milliseconds"] > 0
