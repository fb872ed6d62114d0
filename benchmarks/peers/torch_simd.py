"""torch's loader with PyTurboJPEG, and torchvision's transforms on pillow-simd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from turbojpeg import TJPF_RGB, TurboJPEG

from . import protocol, torch_loader


def batches(job: protocol.Job) -> Iterator[Any]:
    """See protocol.Batches."""
    decoder = TurboJPEG()
    transform = torch_loader.pil_transform(job)

    def read(path: str) -> Any:
        pixels = decoder.decode(Path(path).read_bytes(), pixel_format=TJPF_RGB)
        return transform(Image.fromarray(pixels))

    return torch_loader.endless(torch_loader.loader(torch_loader.Files(job.files, read), job))


if __name__ == "__main__":
    protocol.serve(batches, "torch", "torchvision", "pillow-simd", "PyTurboJPEG")
