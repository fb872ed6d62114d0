"""Ways of saving a checkpoint, behind one face: each is a row of the benchmark."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import torch
from torch.distributed import checkpoint as dcp

from fastload.checkpoint import AsyncCheckpointer, SaveHandle


class Saver:
    """Saves into a folder of its own, one checkpoint at a time.

    Attributes:
        label: as the table calls it.
        durable: whether the file is synced when ``done`` says so.
    """

    label = ""
    durable = False

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def save(self, state: dict[str, Any], step: int) -> None:
        """What the training thread calls and waits for."""
        raise NotImplementedError

    def done(self) -> bool:
        """Whether the last save has ended."""
        return True

    def finish(self) -> None:
        """Wait for it; raises what went wrong."""

    def load(self, step: int) -> Any:
        """What was saved, and removes it."""
        path = self.folder / f"{step}.pt"
        state = torch.load(path)
        path.unlink()
        return state

    def close(self) -> None:
        """Give everything back."""


class TorchSave(Saver):
    """``torch.save``, as scripts have it."""

    label = "torch.save"

    def save(self, state: dict[str, Any], step: int) -> None:
        """Blocks."""
        torch.save(state, self.folder / f"{step}.pt")


class Dcp(Saver):
    """``torch.distributed.checkpoint.async_save``, as documented: torch's default staging."""

    label = "DCP async_save"
    durable = True  # FileSystemWriter syncs its files
    future: Future[Any]

    def stager(self) -> Any:
        """None: torch's default."""
        return None

    def save(self, state: dict[str, Any], step: int) -> None:
        """Stages, returns."""
        self.future = dcp.async_save(  # type: ignore[assignment]
            state, checkpoint_id=self.folder / str(step), async_stager=self.stager(), no_dist=True
        )

    def done(self) -> bool:
        """By the future."""
        return self.future.done()

    def finish(self) -> None:
        """By the future."""
        self.future.result()

    def load(self, step: int) -> Any:
        """Into a state of zeros."""
        state = self.empty()
        dcp.load(state, checkpoint_id=self.folder / str(step), no_dist=True)
        shutil.rmtree(self.folder / str(step))
        return state

    #: Makes a state of the same shape; set by the benchmark.
    empty: Callable[[], dict[str, Any]]


class DcpCached(Dcp):
    """The same with a stager that is kept and keeps its buffers, which is not the default."""

    label = "DCP, staging kept"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from torch.distributed.checkpoint.staging import DefaultStager, StagingOptions

        self._stager = DefaultStager(
            StagingOptions(
                use_pinned_memory=False,
                use_shared_memory=False,
                use_async_staging=False,
                use_non_blocking_copy=False,
            )
        )

    def stager(self) -> Any:
        """Ours."""
        return self._stager

    def close(self) -> None:
        """Ends the stager."""
        self._stager.close()


class Lightning(Saver):
    """Lightning's AsyncCheckpointIO, as its Trainer calls it."""

    label = "Lightning async"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from lightning.pytorch.plugins.io import AsyncCheckpointIO, TorchCheckpointIO

        self._io = AsyncCheckpointIO(TorchCheckpointIO())
        self._path = folder

    def save(self, state: dict[str, Any], step: int) -> None:
        """Clones, returns."""
        self._path = self.folder / f"{step}.pt"
        self._io.save_checkpoint(state, self._path)
        # One task at a time runs there, so this one ends behind the save.
        self._ended = self._io._executor.submit(lambda: None)  # type: ignore[union-attr]

    def done(self) -> bool:
        """By a task behind the save."""
        return self._ended.done()

    def finish(self) -> None:
        """By a task behind the save."""
        self._ended.result()
        if self._io._error is not None:
            raise self._io._error

    def close(self) -> None:
        """Ends its thread."""
        self._io.teardown()


class Fastload(Saver):
    """AsyncCheckpointer with a writing thread."""

    label = "fastload, thread"
    durable = True
    writer = "thread"
    handle: SaveHandle

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._checkpointer = AsyncCheckpointer(
            folder, writer=self.writer, last_name=""  # type: ignore[arg-type]
        )  # fmt: skip

    def save(self, state: dict[str, Any], step: int) -> None:
        """Copies, returns."""
        self.handle = self._checkpointer.save(state, step=step)

    def done(self) -> bool:
        """By the handle."""
        return self.handle.done()

    def finish(self) -> None:
        """By the handle."""
        self.handle.result()

    def load(self, step: int) -> Any:  # noqa: ARG002
        """By torch.load; fastload's checksums are not part of this benchmark."""
        path = self.handle.result()
        state = torch.load(path)
        os.unlink(path)
        return state

    def close(self) -> None:
        """Ends its thread."""
        self._checkpointer.close()


class FastloadProcess(Fastload):
    """AsyncCheckpointer with a writing process."""

    label = "fastload, process"
    writer = "process"


SAVERS: dict[str, type[Saver]] = {
    "torch": TorchSave,
    "dcp": Dcp,
    "dcp-kept": DcpCached,
    "lightning": Lightning,
    "fastload-thread": Fastload,
    "fastload-process": FastloadProcess,
}
