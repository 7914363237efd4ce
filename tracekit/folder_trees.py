"""Folders measured and removed through descriptors, so that no symbolic link leads out of them.

Every step names one entry of a directory that is open already (`openat` and its kin, POSIX.1-2008), and follows no
link. So it does not matter what is exchanged for what in the meantime: what is reached lies where it was looked for.
Neither takes more than a few descriptors, however deep the tree.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, islice
from typing import NamedTuple

from tracekit.ids import new_id

__all__ = ["Usage", "opened_folder", "remove_tree", "tree_usage"]

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

# What is counted of one tree: enough for any that people make, and an end to those that programs make by mistake.
_DEEPEST = 64
_MOST_ENTRIES = 200_000

# Rounds of emptying one folder. Each takes a level off; more are needed only where somebody goes on writing.
_MOST_ROUNDS = 20_000


class Usage(NamedTuple):
    """What a tree holds."""

    bytes: int
    files: int
    changed_ns: int
    """The latest moment at which one of its entries was changed, nanoseconds since 1970."""


@contextmanager
def opened_folder(name: str | os.PathLike[str], inside: int | None = None) -> Iterator[int]:
    """The descriptor of a folder, closed at the end. `inside`: that of the folder it is an entry of; then it must be
    a folder itself and no link to one.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(name, _FOLDER if inside is None else _FOLDER | os.O_NOFOLLOW, dir_fd=inside)
    except OSError as error:
        # What systems say of a link that may not be followed differs.
        if error.errno == errno.ELOOP:
            raise NotADirectoryError(errno.ENOTDIR, "a symbolic link", name) from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def tree_usage(name: str, inside: int) -> Usage:
    """What the folder `name` holds, links not followed; of one with more than 200,000 entries or 64 levels, at least
    that. What cannot be read is left out.

    Raises:
        OSError: there is no such folder.
    """
    size = files = changed = 0
    with opened_folder(name, inside) as folder:
        for facts in chain([os.fstat(folder)], islice(_entries(folder, _DEEPEST), _MOST_ENTRIES)):
            changed = max(changed, facts.st_mtime_ns)
            if not stat.S_ISDIR(facts.st_mode):
                files += 1
                size += facts.st_size
    return Usage(size, files, changed)


def _entries(folder: int, depth: int) -> Iterator[os.stat_result]:
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                facts = entry.stat(follow_symlinks=False)
                yield facts
                if depth and stat.S_ISDIR(facts.st_mode):
                    with opened_folder(entry.name, folder) as inner:
                        yield from _entries(inner, depth - 1)


def remove_tree(name: str, inside: int) -> None:
    """Remove the folder `name` with all that is in it. A link in it is removed, and what it points at is left alone;
    so is what is mounted in it.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such folder.
        OSError: something in it cannot be removed. What was removed before is gone.
    """
    with opened_folder(name, inside) as folder:
        for _ in range(_MOST_ROUNDS):
            if not _take_level_off(folder):
                break
    with suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=inside)


def _take_level_off(folder: int) -> bool:
    """Remove what a folder holds and lift up what its folders hold; whether there was anything."""
    _make_writable(folder)
    names = os.listdir(folder)
    for name in names:
        # What vanishes or becomes another thing while it is looked at is seen to in the next round.
        with suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            if _is_folder(name, folder):
                _lift_out(name, folder)
            else:
                os.unlink(name, dir_fd=folder)
    return bool(names)


def _lift_out(name: str, folder: int) -> None:
    """Remove the folder `name`: its files go, its folders move up beside it."""
    with opened_folder(name, folder) as inner:
        if os.fstat(inner).st_dev != os.fstat(folder).st_dev:
            raise OSError(errno.EXDEV, "another file system is mounted there", name)
        _make_writable(inner)
        for entry in os.listdir(inner):
            if _is_folder(entry, inner):
                os.rename(entry, f".{new_id()}", src_dir_fd=inner, dst_dir_fd=folder)
            else:
                os.unlink(entry, dir_fd=inner)
    os.rmdir(name, dir_fd=folder)


def _is_folder(name: str, inside: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=inside, follow_symlinks=False).st_mode)


def _make_writable(folder: int) -> None:
    """Some tools leave folders that not even their owner may change."""
    with suppress(PermissionError):
        os.fchmod(folder, 0o700)
