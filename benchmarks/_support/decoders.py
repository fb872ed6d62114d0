"""Whole decodes by other libraries, one thread each, from bytes to RGB pixels."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, features

Decode = Callable[[bytes], np.ndarray]  # a JPEG file -> uint8 [height, width, 3] RGB


def pillow() -> tuple[Decode, str]:
    """Pillow, as torchvision's default_loader calls it."""

    def decode(data: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))

    return decode, f"libjpeg-turbo {features.version('libjpeg_turbo')}"


def simplejpeg() -> tuple[Decode, str]:
    """Simplejpeg with exact upsampling and DCT."""
    import simplejpeg

    def decode(data: bytes) -> np.ndarray:
        return simplejpeg.decode_jpeg(data, "RGB", fastdct=False, fastupsample=False)

    return decode, "its own libjpeg-turbo"


def torchvision() -> tuple[Decode, str]:
    """torchvision.io.decode_jpeg, which gives [3, height, width]; turned without a copy."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg

    torch.set_num_threads(1)

    def decode(data: bytes) -> np.ndarray:
        # frombuffer takes no read-only bytes without a warning; the copy is a few microseconds
        tensor = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
        return decode_jpeg(tensor, mode=ImageReadMode.RGB).permute(1, 2, 0).numpy()

    return decode, "its own libjpeg-turbo"


def cv2() -> tuple[Decode, str]:
    """OpenCV, straight to RGB, without turning by EXIF."""
    import cv2

    cv2.setNumThreads(1)
    flags = cv2.IMREAD_IGNORE_ORIENTATION
    flags |= getattr(cv2, "IMREAD_COLOR_RGB", cv2.IMREAD_COLOR)
    direct = hasattr(cv2, "IMREAD_COLOR_RGB")

    def decode(data: bytes) -> np.ndarray:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        return image if direct else cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    return decode, "its own libjpeg-turbo"


def turbojpeg() -> tuple[Decode, str]:
    """PyTurboJPEG on the system's libturbojpeg; its 2.x needs libjpeg-turbo 3."""
    from turbojpeg import TJPF_RGB, TurboJPEG

    decoder = TurboJPEG()

    def decode(data: bytes) -> np.ndarray:
        return decoder.decode(data, pixel_format=TJPF_RGB)

    return decode, "the system's libturbojpeg"


ALL: dict[str, Callable[[], tuple[Decode, str]]] = {
    "Pillow": pillow,
    "simplejpeg": simplejpeg,
    "torchvision.io": torchvision,
    "cv2": cv2,
    "PyTurboJPEG": turbojpeg,
}


def available() -> tuple[dict[str, Decode], dict[str, str]]:
    """Name -> decode of those that work here, and name -> library or reason of all."""
    found: dict[str, Decode] = {}
    notes: dict[str, str] = {}
    for name, make in ALL.items():
        try:
            found[name], notes[name] = make()
        except Exception as error:  # a peer may fail in any way; it is named and left out
            notes[name] = f"not measured: {type(error).__name__}: {error}"
    return found, notes
