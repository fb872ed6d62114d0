"""The look-up table and the erasing values of a finished ramp, in NumPy's types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

__all__ = ["DTYPES", "dtype_name", "erase_values", "table_of", "tensor_of"]

#: Names of the dtypes that a batch can have, in the order of the core's numbers.
DTYPES = ("uint8", "float32", "float16", "bfloat16")


def dtype_name(dtype: torch.dtype) -> str:
    """The dtype's name in torch, as "float32"."""
    return str(dtype).removeprefix("torch.")


def table_of(ramp: torch.Tensor) -> NDArray[Any] | None:
    """What each byte becomes: [channels, 256]; bfloat16 as the uint16 that has its bits.

    None where bytes stay as they are.
    """
    import torch

    table = ramp.as_subclass(torch.Tensor)[:, 0, :256].contiguous()
    if table.dtype == torch.bfloat16:
        return table.view(torch.int16).numpy().view(np.uint16).copy()
    array = table.numpy().copy()
    if array.dtype == np.uint8 and (array == np.arange(256, dtype=np.uint8)).all():
        return None
    return array


def erase_values(ramp: torch.Tensor) -> tuple[float, float, float]:
    """What RandomErasing leaves behind in each channel, as the output has it."""
    values = [float(value) for value in ramp[:, 0, 256].tolist()]
    return (values[0], values[0], values[0]) if len(values) == 1 else (*values,)  # type: ignore[return-value]


def tensor_of(table: NDArray[Any] | None, dtype: str, channels: int) -> torch.Tensor:
    """The table as a torch tensor of its true dtype; the reverse of `table_of`."""
    import torch

    if table is None:
        return torch.arange(256, dtype=torch.uint8).repeat(channels, 1)
    if dtype == "bfloat16":
        return torch.from_numpy(table.view(np.int16).copy()).view(torch.bfloat16)
    return torch.from_numpy(table.copy())
