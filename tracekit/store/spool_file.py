"""A file of batches that wait for the database, in order, each marked when it is written there.

The file is its process's own for as long as that holds the lock on it; afterwards whoever gets the lock may write
what is left of it. Layout: a magic line, the owner as a record, then a record for each batch. A record is one byte
(waiting or done), the length and the CRC-32 of its content, both 32 bits big-endian, and the content.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

__all__ = ["DamagedSpool", "Record", "SpoolFile", "SpoolOwner"]

_MAGIC = b"tracekit spool 1\n"
_HEAD = struct.Struct(">cII")
_WAITING, _DONE = b"W", b"D"


class DamagedSpool(ValueError):
    """The file is none, or not whole: a process was killed while it wrote to it, or somebody else did."""


class SpoolOwner(msgspec.Struct, frozen=True):
    """Whose batches these are, and for which database."""

    process_id: str
    pid: int
    host: str
    role: str
    version: str | None
    database: str

    @classmethod
    def here(cls, process_id: str, role: str, version: str | None, database: str) -> SpoolOwner:
        """This process."""
        return cls(process_id, os.getpid(), socket.gethostname(), role, version, database)


class Record(NamedTuple):
    """A batch in the file."""

    place: int
    content: bytes


class SpoolFile:
    """An open spool file, locked. All methods raise OSError where the file system fails."""

    def __init__(self, path: Path, descriptor: int, owner: SpoolOwner, first: int) -> None:
        self.path = path
        self.owner = owner
        self._descriptor = descriptor
        self._end = os.fstat(descriptor).st_size
        self._next = first

    @classmethod
    def create(cls, path: Path, owner: SpoolOwner) -> SpoolFile:
        """A new file, readable by this user only, in a folder of the same kind."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        head = _MAGIC + _record(msgspec.json.encode(owner), _DONE)
        os.write(descriptor, head)
        return cls(path, descriptor, owner, len(head))

    @classmethod
    def take_over(cls, path: Path) -> SpoolFile | None:
        """The file of a process that is gone; None where its process lives, or another has taken it.

        Raises:
            DamagedSpool: it does not say whose it is.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            return cls._locked(path, descriptor)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def _locked(cls, path: Path, descriptor: int) -> SpoolFile:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_nlink == 0:
            raise BlockingIOError("whoever had it until now has removed it")
        content = _read(descriptor, len(_MAGIC))
        if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC or content is None:
            raise DamagedSpool(f"{path} is no spool of tracekit")
        try:
            owner = msgspec.json.decode(content, type=SpoolOwner)
        except msgspec.DecodeError as error:
            raise DamagedSpool(f"{path} does not say whose it is: {error}") from error
        return cls(path, descriptor, owner, len(_MAGIC) + _HEAD.size + len(content))

    @property
    def size(self) -> int:
        """Bytes."""
        return self._end

    @property
    def is_empty(self) -> bool:
        """Every batch in it was written."""
        return self._next >= self._end

    def append(self, content: bytes) -> None:
        """Add a batch, on the disk when this returns. Where that fails, nothing of it is left."""
        try:
            _write(self._descriptor, _record(content, _WAITING), self._end)
            os.fdatasync(self._descriptor)
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        self._end += _HEAD.size + len(content)

    def waiting(self) -> Iterator[Record]:
        """The batches that are not marked, oldest first.

        Raises:
            DamagedSpool: the rest of the file cannot be read.
        """
        while self._next < self._end:
            content = _read(self._descriptor, self._next)
            if content is None:
                raise DamagedSpool(f"{self.path} cannot be read from byte {self._next} of {self._end} on")
            if os.pread(self._descriptor, 1, self._next) == _WAITING:
                yield Record(self._next, content)
            else:
                self._next += _HEAD.size + len(content)

    def done(self, record: Record) -> None:
        """Mark a batch as written, so that nobody writes it again."""
        os.pwrite(self._descriptor, _DONE, record.place)
        self._next = record.place + _HEAD.size + len(record.content)

    def remove(self) -> None:
        """Delete the file, and let go of it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def set_aside(self) -> Path:
        """Keep the file under a name that nobody looks for; its new name."""
        aside = self.path.with_name(f"{self.path.name}.damaged")
        self.path.rename(aside)
        self.close()
        return aside

    def close(self) -> None:
        """Let go of the file; in a forked child, only of the child's part of it."""
        os.close(self._descriptor)


def _record(content: bytes, state: bytes) -> bytes:
    return _HEAD.pack(state, len(content), zlib.crc32(content)) + content


def _read(descriptor: int, place: int) -> bytes | None:
    """The content of the record at a place; None where it is not whole."""
    head = os.pread(descriptor, _HEAD.size, place)
    if len(head) < _HEAD.size:
        return None
    state, length, checksum = _HEAD.unpack(head)
    if state not in (_WAITING, _DONE) or length > os.fstat(descriptor).st_size:
        return None
    content = os.pread(descriptor, length, place + _HEAD.size)
    return content if len(content) == length and zlib.crc32(content) == checksum else None


def _write(descriptor: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written
