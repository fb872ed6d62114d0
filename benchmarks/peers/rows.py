"""The rows of the benchmark: which loader runs where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["BASE", "CORE", "FILES", "ROWS", "STORE", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """A loader.

    Attributes:
        module: of this package; the row's key.
        label: for people.
        environment: folder of its environment below setup_peers' folder; None: this one.
        modes: what it can do.
        loader: False where it is not a loader, but what one is measured by.
        exact: its values are torch + PIL's, or the benchmark fails.
    """

    module: str
    label: str
    environment: str | None = None
    modes: tuple[str, ...] = ("train", "val")
    loader: bool = True
    exact: bool = False

    def python(self, peers: Path, own: Path) -> Path:
        """The interpreter to run it with."""
        return own if self.environment is None else peers / self.environment / "bin" / "python"


BASE, STORE, FILES, CORE = "torch_pil", "fastload_store", "fastload_files", "core_functions"

ROWS = (
    Row(BASE, "torch + torchvision (PIL)"),
    Row("torch_io", "torch + torchvision.io"),
    Row("torch_cv2", "torch + cv2"),
    Row("torch_simd", "torch + PyTurboJPEG + simd", "simd"),
    Row("spdl", "SPDL", "spdl"),
    Row("dali", "DALI (CPU)", "dali"),
    Row("ffcv", "FFCV", "ffcv"),
    Row("turboloader", "turboloader", "turboloader", modes=("train",)),
    Row(FILES, "fastload, from the files", exact=True),
    Row(STORE, "fastload, from the store", exact=True),
    Row(CORE, "(core functions alone)", loader=False, exact=True),
)
