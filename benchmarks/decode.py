"""Each function of the core alone, milliseconds of CPU a photo on one thread, beside others.

All rows read the same photos: those that decode without a warning and that become tiles. What a
row gives is compared with Pillow before anything is timed; a row that gives other pixels is marked.
The share is that of the fastest exact whole decode of the original file by libjpeg-turbo, in the
same round.

    python benchmarks/decode.py --images DIR [--images DIR] [--photos N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and torch are imported

import numpy as np  # noqa: E402 - after the environment
import torch  # noqa: E402
from _support import decoders, machine, photos, report, timing  # noqa: E402
from PIL import Image  # noqa: E402
from torchvision.transforms import RandomResizedCrop  # noqa: E402
from torchvision.transforms import functional as F  # noqa: E402, N812 - its usual name

from fastload import jpeg, pixels  # noqa: E402
from fastload._core import libjpeg_turbo_version, simd  # noqa: E402
from fastload.errors import NotTileableError  # noqa: E402
from fastload.records import Codec, Record, encode_record, pack_restore_block  # noqa: E402

SIZE = (224, 224)
BATCH = 64
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
Window = tuple[int, int, int, int]


class Inputs:
    """Records, windows, crops and a warm batch for the photos that can be tiled."""

    def __init__(self, found: list[photos.Photo]) -> None:
        self.photos: list[photos.Photo] = []
        self.tiled: list[jpeg.TiledJpeg] = []
        self.untiled: dict[str, str] = {}
        for photo in found:
            try:
                self.tiled.append(jpeg.tile(photo.data))
            except NotTileableError as error:
                self.untiled[str(photo.path)] = str(error)
                continue
            self.photos.append(photo)
        self.tile_records = [
            self._record(*pair) for pair in zip(self.photos, self.tiled, strict=True)
        ]
        self.jpeg_records = [self._record(photo, None) for photo in self.photos]
        torch.manual_seed(0)
        shapes = [torch.empty(3, photo.height, photo.width) for photo in self.photos]
        self.windows: list[Window] = [
            tuple(RandomResizedCrop.get_params(shape, [0.08, 1.0], [3 / 4, 4 / 3]))
            for shape in shapes
        ]
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
        normalized = F.normalize(F.to_tensor(Image.fromarray(ramp)), MEAN, STD)
        self.table = np.ascontiguousarray(normalized[:, 0].numpy())
        self.crops = [
            pixels.decode(record, window)
            for record, window in zip(self.tile_records, self.windows, strict=True)
        ]
        self.batch = np.zeros((BATCH, 3, *SIZE), np.float32)
        self.memory = np.zeros(max((crop.size for crop in self.crops), default=0), np.float32)

    @staticmethod
    def _record(photo: photos.Photo, tiled: jpeg.TiledJpeg | None) -> bytes:
        if tiled is None:
            head, body = b"", photo.data
        else:
            head = tiled.head
            body = tiled.entropy + pack_restore_block(tiled.source_header, tiled.source_trailer)
        return encode_record(
            Record(
                codec=Codec.JPEG if tiled is None else Codec.TILES,
                orientation=0,
                gray=photo.sampling == "gray",
                index=0,
                height=photo.height,
                width=photo.width,
                source_size=len(photo.data),
                head=head,
                body=body,
            )
        )

    def fused(self, i: int, records: list[bytes]) -> np.ndarray:
        """Photo i to its slot of the batch: decode, crop, resize, flip, normalize."""
        return pixels.decode_resized_crop(
            records[i], self.windows[i], SIZE, flip_horizontal=bool(i & 1),
            table=self.table, dtype=np.float32, out=self.batch[i % BATCH],
        )  # fmt: skip

    def resampled(self, i: int) -> np.ndarray:
        """The crop of photo i, decoded before, to its slot of the batch."""
        return pixels.resample(
            self.crops[i], SIZE, flip_horizontal=bool(i & 1),
            table=self.table, dtype=np.float32, out=self.batch[i % BATCH],
        )  # fmt: skip

    def moved(self, i: int) -> np.ndarray:
        """The same crop, mirrored and normalized but not resampled."""
        crop = self.crops[i]
        height, width, channels = crop.shape
        return pixels.resample(
            crop, (height, width), flip_horizontal=bool(i & 1), table=self.table,
            dtype=np.float32, out=self.memory[: crop.size].reshape(channels, height, width),
        )  # fmt: skip


def verify(inputs: Inputs, peers: dict[str, decoders.Decode]) -> dict[str, int]:
    """Compare everything with Pillow; return how many photos differ, by peer.

    Raises:
        AssertionError: fastload gives other pixels or bytes.
    """
    differ = dict.fromkeys(peers, 0)
    for i, photo in enumerate(inputs.photos):
        expected = peers["Pillow"](photo.data)
        for name, decode in peers.items():
            differ[name] += not np.array_equal(decode(photo.data), expected)
        top, left, height, width = inputs.windows[i]
        crop = expected[top : top + height, left : left + width]
        for records in (inputs.tile_records, inputs.jpeg_records):
            assert np.array_equal(pixels.decode(records[i]), expected), photo.path
            assert np.array_equal(pixels.decode(records[i], inputs.windows[i]), crop), photo.path
        assert jpeg.restore(inputs.tiled[i]) == photo.data, photo.path
        image = F.resized_crop(Image.fromarray(expected), top, left, height, width, list(SIZE))
        image = F.hflip(image) if i & 1 else image
        wanted = F.normalize(F.to_tensor(image), MEAN, STD).numpy()
        for found in (
            inputs.fused(i, inputs.tile_records),
            inputs.fused(i, inputs.jpeg_records),
            inputs.resampled(i),
        ):
            assert np.array_equal(found, wanted), photo.path
        image = Image.fromarray(crop)
        image = F.hflip(image) if i & 1 else image
        wanted = F.normalize(F.to_tensor(image), MEAN, STD).numpy()
        assert np.array_equal(inputs.moved(i), wanted), photo.path
    return differ


def rows_of(inputs: Inputs, peers: dict[str, decoders.Decode]) -> dict[str, Callable[[], object]]:
    """Give name -> one pass over all photos."""
    every = range(len(inputs.photos))
    files = [photo.data for photo in inputs.photos]
    tiles, own, windows = inputs.tile_records, inputs.jpeg_records, inputs.windows

    def over(call: Callable[[int], object]) -> Callable[[], None]:
        def run() -> None:
            for i in every:
                call(i)

        return run

    rows = {
        f"whole, {name}": over(lambda i, decode=decode: decode(files[i]))
        for name, decode in peers.items()
    }
    return rows | {
        "whole, from tiles": over(lambda i: pixels.decode(tiles[i])),
        "whole, from own bytes": over(lambda i: pixels.decode(own[i])),
        "RandomResizedCrop window, from tiles": over(lambda i: pixels.decode(tiles[i], windows[i])),
        "RandomResizedCrop window, from own bytes": over(
            lambda i: pixels.decode(own[i], windows[i])
        ),
        "resample + flip + float write": over(inputs.resampled),
        "flip + float write, not resampled": over(inputs.moved),
        "fused: window to float, from tiles": over(lambda i: inputs.fused(i, tiles)),
        "fused: window to float, from own bytes": over(lambda i: inputs.fused(i, own)),
        "header parse": over(lambda i: jpeg.parse_header(files[i])),
        "check": over(lambda i: jpeg.check(files[i])),
        "tile, with proof of restoration": over(lambda i: jpeg.tile(files[i])),
        "restore": over(lambda i: jpeg.restore(inputs.tiled[i])),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, action="append", required=True, metavar="DIR")
    parser.add_argument("--photos", type=int, metavar="N", help="at most N, evenly spread")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    found, left_out = photos.find(options.images, options.photos)
    inputs = Inputs(found)
    if not inputs.photos:
        parser.error(f"no photo that can be tiled below {options.images}")
    peers, notes = decoders.available()
    print(photos.sentence(inputs.photos))
    print(f"left out: {len(left_out)} not sound, {len(inputs.untiled)} not tileable")
    differ = verify(inputs, peers)
    measured = timing.interleave(rows_of(inputs, peers), options.rounds, clock=time.process_time)

    count = len(inputs.photos)
    exact = [name for name in peers if not differ[name]]
    base = min(exact, key=lambda name: measured[f"whole, {name}"].median)
    base_row = measured[f"whole, {base}"]
    lines = []
    for name, row in measured.items():
        peer = name.removeprefix("whole, ")
        mark = f" ({differ[peer]} photos differ from Pillow)" if differ.get(peer) else ""
        lines.append(
            [name + mark, f"{row.median * 1e3 / count:.3f}", f"{row.spread:.0%}",
             f"{timing.ratio(row, base_row):.2f}"]
        )  # fmt: skip
    report.table(
        f"one thread, CPU time, medians of {options.rounds} interleaved rounds",
        ["", "CPU ms a photo", "spread", f"share of {base}"],
        lines,
    )
    for name, note in notes.items():
        print(f"{name}: {note}")
    versions = machine.versions(
        "fastload", "Pillow", "numpy", "torch", "torchvision", "simplejpeg",
        "opencv-python-headless", "PyTurboJPEG",
    )  # fmt: skip
    print(f"fastload: libjpeg-turbo {libjpeg_turbo_version()}, {simd()}; {versions}")
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "decode",
                "machine": machine.machine(),
                "versions": versions | {"libjpeg-turbo of fastload": libjpeg_turbo_version()},
                "commit": machine.commit(Path(__file__).parent),
                "simd": simd(),
                "photos": photos.describe(inputs.photos),
                "left_out": left_out | inputs.untiled,
                "peers": notes,
                "photos_that_differ_from_pillow": differ,
                "base": base,
                "cpu_milliseconds_a_photo": {
                    name: row.to_json(1e3 / count) | {"share_of_base": timing.ratio(row, base_row)}
                    for name, row in measured.items()
                },
            },
        )


if __name__ == "__main__":
    main()
