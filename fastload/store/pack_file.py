"""The LMDB file that a writer fills: the only module that imports lmdb."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

import lmdb

from fastload.disk import NO_SPACE
from fastload.errors import NoSpaceError, PackError, StoreFormatError
from fastload.store.catalog import COLUMNS, META, PENDING, PLAN, RECORDS, STATE
from fastload.store.header import seal
from fastload.store.lmdb_file import LmdbFile
from fastload.store.partial import LockedFile

__all__ = ["PackFile", "Transaction"]

_DATABASES = (RECORDS, COLUMNS, META, PENDING)
#: The attached files wait under this key, as a column's first chunk.
FILES_CHUNK = b"files.bytes/0000000000000000"
#: Beyond the payload: trees, free list, and the pages that copy-on-write keeps for a commit.
_SLACK_BYTES = 16 << 20
#: Twice as much is kept: more than one commit of a packing takes.
_KEPT_HALF_BYTES = 10 << 20


class Transaction:
    """One write transaction; databases by name."""

    def __init__(self, transaction: lmdb.Transaction, databases: dict[bytes, Any]) -> None:
        self._transaction = transaction
        self._databases = databases

    def put(self, database: bytes, key: bytes, value: Any, *, append: bool = False) -> None:
        self._transaction.put(key, value, db=self._databases[database], append=append)

    def delete(self, database: bytes, key: bytes) -> None:
        self._transaction.delete(key, db=self._databases[database])

    def drop(self, database: bytes) -> None:
        self._transaction.drop(self._databases[database], delete=True)


class PackFile:
    """Transactions on a locked partial file: each is on the disk as a whole, or not at all.

    Never ``writemap``: a full disk would be a SIGBUS. Always the classic file format. The map grows
    before a transaction that could fill it, by little, since LMDB writes the largest size it ever
    had into the file.
    """

    def __init__(self, lock: LockedFile) -> None:
        self._lock = lock
        self._environment: lmdb.Environment | None = None
        self._databases: dict[bytes, Any] = {}

    def begin(self, plan: bytes, state: bytes, files: bytes = b"") -> None:
        """The first transaction of a new file; ``files`` are the attached ones."""

        def put(transaction: Transaction) -> None:
            transaction.put(META, PLAN, seal(plan))
            transaction.put(META, STATE, seal(state))
            if files:
                transaction.put(PENDING, FILES_CHUNK, seal(files))

        self.transact(put, len(plan) + len(state) + len(files))

    def transact(self, work: Callable[[Transaction], None], payload_bytes: int) -> None:
        """Run ``work`` in one transaction and make it durable.

        Args:
            work: puts and deletes; may run more than once.
            payload_bytes: about how much it puts.

        Raises:
            NoSpaceError: the disk or quota is full.
            PackError: the disk failed otherwise.
        """
        # Values in pages of their own waste up to a page each; an eighth covers that on average.
        room_bytes = payload_bytes + payload_bytes // 8 + _SLACK_BYTES
        while True:
            try:
                environment = self._open()
                used_bytes = (environment.info()["last_pgno"] + 1) * environment.stat()["psize"]
                if environment.info()["map_size"] < used_bytes + room_bytes:
                    environment.set_mapsize(used_bytes + room_bytes)
                with environment.begin(write=True) as transaction:
                    work(Transaction(transaction, self._databases))
                return
            except lmdb.MapFullError:
                room_bytes *= 2
            except (lmdb.Error, OSError) as error:
                # A commit that failed may have left LMDB's environment unusable.
                self.close()
                raise self._disk_error(error, payload_bytes) from error
            except BaseException:
                self.close()
                raise

    def _open(self) -> lmdb.Environment:
        if self._environment is None:
            _keep_freed_memory()
            options: dict[str, Any] = {}
            if int(lmdb.__version__.split(".", 1)[0]) >= 3:
                options["lib_version"] = 0  # the classic file format, which all versions read
            environment = lmdb.open(
                str(self._lock.path),
                map_size=max(self._lock.size_bytes(), _SLACK_BYTES),
                subdir=False,
                lock=False,  # the file has flock's
                readahead=False,
                max_dbs=len(_DATABASES),
                **options,
            )
            self._environment = environment
            with environment.begin(write=True) as transaction:
                self._databases = {
                    name: environment.open_db(name, transaction, integerkey=name == RECORDS)
                    for name in _DATABASES
                }
        return self._environment

    def close(self) -> None:
        """Close LMDB's environment; the next transaction opens it again."""
        environment, self._environment = self._environment, None
        self._databases = {}
        if environment is not None:
            environment.close()

    def trim(self) -> None:
        """Make the file exactly as long as its last commit says.

        A failed transaction leaves pages behind the end, which hold disk space; one that took and
        freed pages at the end does not write them, and readers expect them.
        """
        self.close()
        state = LmdbFile(self._lock.descriptor, str(self._lock.path), cut_at_end=True)
        self._lock.truncate((state.last_page + 1) * state.page_bytes)

    def _disk_error(self, error: Exception, payload_bytes: int) -> PackError:
        path = self._lock.path
        code = error.errno if isinstance(error, OSError) else getattr(error, "code", 0)
        # What the failed transaction wrote behind the end holds space that someone may need.
        self._try_to_trim()
        if code in NO_SPACE or (code in (0, None, errno.EIO) and self._is_full(payload_bytes)):
            return NoSpaceError(
                f"{path}: no space left on the disk or quota (or above the file size limit) for "
                f"{payload_bytes} more bytes; what was committed is intact: make room and run the "
                "same command again"
            )
        return PackError(
            f"{path}: cannot be written: {error}; what was committed is intact: check the disk and "
            "run the same command again"
        )

    def _is_full(self, payload_bytes: int) -> bool:
        """Whether the disk refuses more bytes: LMDB reports a short write as an I/O error."""
        needed_bytes = payload_bytes + payload_bytes // 8 + (1 << 20)
        try:
            os.posix_fallocate(self._lock.descriptor, self._lock.size_bytes(), needed_bytes)
        except OSError as error:
            return error.errno in NO_SPACE
        finally:
            self._try_to_trim()
        return False

    def _try_to_trim(self) -> None:
        try:
            self.trim()
        except (OSError, StoreFormatError):
            return  # nothing was committed yet, or the disk is gone: the first error says it


def _keep_freed_memory() -> None:
    """Have malloc keep the memory that one commit frees for the next.

    LMDB allocates a commit's pages one by one and frees them. glibc gives free memory back to the
    kernel as soon as it is twice the largest block that was ever mapped and unmapped, and to get it
    anew, page by page, takes longer than all else that a commit does. So a large block comes and
    goes here, of which no page is touched.
    """
    bytes(_KEPT_HALF_BYTES)
