"""What each way of keeping photos costs: time to pack, size, and the rate of training from it.

Photos are packed once a round and kind, into a warm page cache, without the flush to the disk that
a larger set amortises. Then one loader a kind gives epochs of RandomResizedCrop(224) + flip and of
Resize(256) + CenterCrop(224), float32 and normalised, kind by kind in turns. Before anything is
timed, each store is verified, and the batches of all kinds that keep the photos' pixels are
compared bit for bit; reduced photos have to have the sides that were asked for.

    python benchmarks/formats.py --images DIR [--rounds N] [--repeat N] [--threads N] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_name] = "1"  # before NumPy and torch are imported

import torch  # noqa: E402 - after the environment
from _support import layout, machine, photos, report, timing  # noqa: E402
from torchvision import transforms  # noqa: E402

from fastload import DataLoader, LMDBDataset  # noqa: E402
from fastload.convert import pack, verify  # noqa: E402
from fastload.store import Store  # noqa: E402

KINDS: dict[str, dict[str, Any]] = {
    "tiles": {},
    "own bytes": {"tile": "never"},
    "--max-side 512": {"max_side": 512},
    "--max-side 256": {"max_side": 256},
    "--format raw": {"format": "raw"},
}
BASE = "tiles"
NORMALISED = [
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
]
MODES = {
    "train": transforms.Compose(
        [transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), *NORMALISED]
    ),
    "val": transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *NORMALISED]),
}


def epoch_of(store: Path, mode: str, options: argparse.Namespace) -> Callable[[], None]:
    """A row for timing.interleave: one epoch."""
    loader: Any = DataLoader(
        LMDBDataset(store, MODES[mode]),
        batch_size=options.batch_size,
        shuffle=mode == "train",
        num_workers=options.threads,
        persistent_workers=True,
    )

    def run() -> None:
        for _batch in loader:
            pass

    return run


def check(stores: dict[str, Path], options: argparse.Namespace) -> None:
    """Every store is whole, and holds what its kind promises."""
    for kind, path in stores.items():
        if verify(path).differences_count:
            raise SystemExit(f"{kind}: the store differs from what was packed")
        side = KINDS[kind].get("max_side")
        with Store(path) as store:
            sides = [int(max(store.column(name))) for name in ("height", "width")]
        if side and max(sides) > side:
            raise SystemExit(f"{kind}: expected sides of {side} at most, found {sides}")
    loaders = [
        DataLoader(LMDBDataset(path, MODES["val"]), batch_size=64, num_workers=options.threads)
        for kind, path in stores.items()
        if "max_side" not in KINDS[kind]
    ]
    for first, *others in zip(*loaders, strict=True):
        if not all(torch.equal(first[0], other[0]) for other in others):
            raise SystemExit("kinds that keep all pixels give different batches")


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--repeat", type=int, default=2, metavar="N", help="copies of each photo")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args()

    found, left_out = photos.find([options.images])
    if not found:
        parser.error(f"expected sound JPEG files below {options.images}, found none: {left_out}")
    print(photos.sentence(found))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "photos"
        layout.warm(layout.image_folder(found * options.repeat, options.images, source))
        stores = {kind: Path(folder) / f"{i}.lmdb" for i, kind in enumerate(KINDS)}

        def packing(kind: str) -> Callable[[], None]:
            def run() -> None:
                chosen = KINDS[kind]
                pack(source, stores[kind], overwrite=True, workers=options.threads, **chosen)

            return run

        packed = timing.interleave({kind: packing(kind) for kind in KINDS}, options.rounds)
        check(stores, options)
        rates = {
            mode: timing.interleave(
                {kind: epoch_of(path, mode, options) for kind, path in stores.items()},
                options.rounds,
            )
            for mode in MODES
        }
        sizes = {kind: path.stat().st_size for kind, path in stores.items()}
    count = len(found) * options.repeat
    source_bytes = sum(len(photo.data) for photo in found) * options.repeat
    rows = [
        [kind, f"{count / packed[kind].median:,.0f}", f"{sizes[kind] / source_bytes:.2f}",
         *(text for mode in MODES for text in (
             f"{count / rates[mode][kind].median:,.0f}",
             f"{timing.ratio(rates[mode][BASE], rates[mode][kind]):.2f}"))]
        for kind in KINDS
    ]  # fmt: skip
    report.table(
        f"{options.threads} threads, medians of {options.rounds} interleaved rounds",
        ["", "packed/s", "size / files", "train/s", f"/ {BASE}", "val/s", f"/ {BASE}"],
        rows,
    )
    if options.json:
        report.write_json(
            options.json,
            {
                "benchmark": "formats",
                "machine": machine.machine(),
                "versions": machine.versions("fastload", "torch", "torchvision", "Pillow"),
                "commit": machine.commit(Path(__file__).parent),
                "photos": photos.describe(found) | {"copies": options.repeat},
                "sizes": {kind: size / source_bytes for kind, size in sizes.items()},
                "packing": {kind: row.to_json(1) for kind, row in packed.items()},
                **{mode: {k: row.to_json(1) for k, row in rates[mode].items()} for mode in MODES},
            },
        )


if __name__ == "__main__":
    main()
