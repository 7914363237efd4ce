"""What is recorded of a file that an app points at: its size, media type and hash, never its content."""

from __future__ import annotations

import hashlib
import mimetypes
import os
import stat
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["artifact_facts"]

# A larger file is not hashed: the writer has other things to do. This much takes it some tens of milliseconds.
_MOST_HASHED = 64 * 1024 * 1024
_STEP = 1024 * 1024

# Names as `mimetypes` gives them, where the file as a whole is of the packing's type.
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}


def artifact_facts(uri: str) -> dict[str, Any]:
    """Size, media type and SHA-256 of a local file; only the media type of what is elsewhere or cannot be read.

    Never raises, and never waits: pipes and devices are not opened.
    """
    try:
        path = _local_path(uri)
        media_type, packing = mimetypes.guess_type(urlsplit(uri).path if path is None else path.name)
    except ValueError:
        return {}
    media_type = media_type if packing is None else _PACKED.get(packing)
    facts = {} if media_type is None else {"media_type": media_type}
    return facts if path is None else facts | _file_facts(path)


def _local_path(uri: str) -> Path | None:
    """The file that a path or a `file:` URI names. Raises ValueError where it is no URI at all."""
    if "://" not in uri:
        return Path(uri)
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" and parts.netloc in ("", "localhost") else None


def _file_facts(path: Path) -> dict[str, Any]:
    try:
        if not path.is_file():
            return {}
        # It may have become a pipe meanwhile, and opening one waits for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                return {}
            size = status.st_size
            return {"size": size} | ({"sha256": _sha256(file, size)} if size <= _MOST_HASHED else {})
    except (OSError, ValueError):
        return {}


def _sha256(file: Any, size: int) -> str:
    """Of the first `size` bytes: a file that grows meanwhile is hashed as it was."""
    digest = hashlib.sha256()
    while size > 0 and (chunk := file.read(min(size, _STEP))):
        digest.update(chunk)
        size -= len(chunk)
    return digest.hexdigest()
