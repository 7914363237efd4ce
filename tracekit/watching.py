"""Which requests are watched: by path patterns, and by what the response turns out to be."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable

from tracekit.errors import ConfigurationError
from tracekit.types import Framing

__all__ = ["PathRules", "content_type_of", "framing_of", "is_stream"]

_SSE = "text/event-stream"
_LINES = frozenset({"application/x-ndjson", "application/jsonl", "application/stream+json", "application/ndjson"})


def content_type_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The media type that raw response headers name; empty where they name none."""
    return next((value.decode("latin-1") for name, value in headers if name.lower() == b"content-type"), "")


def is_stream(content_type: str) -> bool:
    """Whether a response of this media type is watched wherever it stands."""
    media_type = _media_type(content_type)
    return media_type == _SSE or media_type in _LINES


def framing_of(content_type: str, *, line_protocol: bool = False) -> Framing:
    """How a body of this media type is cut. `line_protocol`: a header says that its lines are frames."""
    media_type = _media_type(content_type)
    if media_type == _SSE:
        return Framing.SSE
    return Framing.NDJSON if media_type in _LINES or line_protocol else Framing.WHOLE


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


class PathRules:
    """`include` and `exclude` patterns: shell-style globs over the whole path, or compiled regular expressions."""

    def __init__(
        self, include: Iterable[str | re.Pattern[str]] | None, exclude: Iterable[str | re.Pattern[str]] | None
    ) -> None:
        self._include = [_compiled(pattern) for pattern in _several("include", include)]
        self._exclude = [_compiled(pattern) for pattern in _several("exclude", exclude)]

    def excluded(self, path: str) -> bool:
        """Whether this path is never recorded."""
        return any(pattern.search(path) for pattern in self._exclude)

    def included(self, path: str) -> bool:
        """Whether this path is recorded whatever it answers."""
        return any(pattern.search(path) for pattern in self._include)


def _several(option: str, patterns: Iterable[str | re.Pattern[str]] | None) -> Iterable[str | re.Pattern[str]]:
    if isinstance(patterns, str):
        raise ConfigurationError(f"{option} takes a list of patterns, not one string: [{patterns!r}]")
    return patterns or ()


def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    return pattern if isinstance(pattern, re.Pattern) else re.compile(rf"\A(?:{fnmatch.translate(pattern)})")
