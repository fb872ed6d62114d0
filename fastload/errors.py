"""Every error that fastload raises on purpose.

::

    FastloadError
    ├── BuildError (ImportError)     the native core is missing or unfit
    ├── DecodeError (ValueError)     bytes that are not a picture, or a damaged one
    │   ├── LimitError               a size or count above the limit that was set
    │   ├── NotTileableError         a file that could not be given back byte for byte
    │   └── UnsupportedPictureError  a kind of picture that the native core leaves to Pillow
    ├── StoreError
    │   ├── StoreFormatError         not a store, a damaged one, or of another version
    │   ├── RecordError              one record of a store is damaged
    │   └── StoreClosedError         used after close()
    ├── CheckpointError              a checkpoint cannot be saved or loaded
    │   ├── CheckpointDamagedError   not a checkpoint by fastload, or not as it was written
    │   └── CheckpointSkippedError   left out, as on_busy asked, since the disk is behind
    ├── MissingLibraryError (ImportError)  an optional library is not installed
    ├── SourceError                  a source folder that cannot be packed as it is
    └── PackError                    packing cannot go on
        ├── ResumeError              a half-packed store does not fit its source any more
        └── NoSpaceError             the disk, or the quota, is full

Each message says what was expected, what was found, where, and what to do about it.
"""

from __future__ import annotations

__all__ = [
    "BuildError",
    "CheckpointDamagedError",
    "CheckpointError",
    "CheckpointSkippedError",
    "DecodeError",
    "FastloadError",
    "LimitError",
    "MissingLibraryError",
    "NoSpaceError",
    "NotTileableError",
    "PackError",
    "RecordError",
    "ResumeError",
    "SourceError",
    "StoreClosedError",
    "StoreError",
    "StoreFormatError",
    "UnsupportedPictureError",
]


class FastloadError(Exception):
    """The base of all errors that fastload raises on purpose."""


class BuildError(FastloadError, ImportError):
    """The native core is missing, or was built against an unfit libjpeg."""


class DecodeError(FastloadError, ValueError):
    """The bytes are not a picture that can be decoded, or a damaged one."""


class LimitError(DecodeError):
    """A size or a count in the bytes is above the limit that was set."""


class NotTileableError(DecodeError):
    """The JPEG file keeps its own bytes, since tiles could not give it back byte for byte."""


class UnsupportedPictureError(DecodeError):
    """The native core does not decode this kind of picture; Pillow may."""


class StoreError(FastloadError):
    """A store cannot be opened, read or written."""


class StoreFormatError(StoreError):
    """The file is not a store, is damaged, or has a version this release cannot read."""


class RecordError(StoreError):
    """One record of a store is damaged; the others may be read.

    Attributes:
        index: the sample's index in the store; -1 where only the message says it, as after torch
            has rebuilt a worker's exception from its text.
        name: its relative path in the source, or None where that is unknown.
    """

    def __init__(self, message: str, *, index: int = -1, name: str | None = None) -> None:
        super().__init__(message)
        self.index = index
        self.name = name

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_record_error, (str(self), self.index, self.name)


def _rebuild_record_error(message: str, index: int, name: str | None) -> RecordError:
    return RecordError(message, index=index, name=name)


class StoreClosedError(StoreError):
    """The store was used after ``close()``."""


class CheckpointError(FastloadError):
    """A checkpoint cannot be saved or loaded; those that were complete before still are."""


class CheckpointDamagedError(CheckpointError):
    """The file is no checkpoint by fastload, was cut short, or was changed since."""


class CheckpointSkippedError(CheckpointError):
    """The save was left out, as ``on_busy`` asked, since the disk is behind."""


class MissingLibraryError(FastloadError, ImportError):
    """What was asked for needs a library that is not installed; the message says how to get it."""


class SourceError(FastloadError):
    """A source folder cannot be packed as it is."""


class PackError(FastloadError):
    """Packing cannot go on."""


class ResumeError(PackError):
    """A half-packed store does not fit its source any more."""


class NoSpaceError(PackError):
    """The disk, or the quota, is full."""
