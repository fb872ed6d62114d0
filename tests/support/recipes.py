"""torchvision's functions on a PIL image: what a fused call has to equal."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import functional as v1
from torchvision.transforms.v2 import functional as v2

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
#: fastload's name -> torchvision's.
FILTERS = {
    "nearest": v1.InterpolationMode.NEAREST,
    "box": v1.InterpolationMode.BOX,
    "bilinear": v1.InterpolationMode.BILINEAR,
    "hamming": v1.InterpolationMode.HAMMING,
    "bicubic": v1.InterpolationMode.BICUBIC,
    "lanczos": v1.InterpolationMode.LANCZOS,
}
APIS = {"v1": v1, "v2": v2}


def ramp_table(convert: object, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """What ``convert`` (PIL image -> tensor) makes of each byte: [3, 256] as `bits` gives it."""
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    return bits(convert(Image.fromarray(ramp)).to(dtype)[:, 0])  # type: ignore[operator]


def bits(tensor: torch.Tensor) -> np.ndarray:
    """The tensor as an array; NumPy has no bfloat16, so its 16 bits are called float16."""
    if tensor.dtype == torch.bfloat16:
        return tensor.contiguous().view(torch.int16).numpy().view(np.float16)
    return tensor.contiguous().numpy()


def resized_size(height: int, width: int, shorter: int) -> tuple[int, int]:
    """What Resize(shorter) makes of a picture: the longer side is cut down, not rounded."""
    if height <= width:
        return shorter, int(shorter * width / height)
    return int(shorter * height / width), shorter


def center_window(height: int, width: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """CenterCrop's window (top, left, height, width); negative where it pads with zeros.

    Where a side is too small, CenterCrop pads d // 2 in front and (d + 1) // 2 behind.
    """

    def start(side: int, wanted: int) -> int:
        if wanted > side:
            return -((wanted - side) // 2)
        return round((side - wanted) / 2.0)

    return start(height, size[0]), start(width, size[1]), *size


def to_float(api: str, *, normalize: bool) -> object:
    """PIL image -> float32 tensor, as the API's users write it."""

    def convert(image: Image.Image) -> torch.Tensor:
        if api == "v1":
            tensor = v1.to_tensor(image)
            return v1.normalize(tensor, MEAN, STD) if normalize else tensor
        tensor = v2.to_dtype(v2.to_image(image), torch.float32, scale=True)
        return v2.normalize(tensor, MEAN, STD) if normalize else tensor

    return convert
