"""The redactor of one trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tracekit.redaction import StreamItem
from tracekit_redact.search import Search
from tracekit_redact.stream import SecretStream
from tracekit_redact.walking import masked_value

__all__ = ["SecretRedactor"]


class SecretRedactor:
    """Masks the secrets in what one trace stores (`tracekit.redaction.Redactor`)."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self.kinds: Counter[str] = Counter()
        """How many secrets of each kind were masked."""
        self._stream = SecretStream(search, self._report)

    def _report(self, kind: str) -> None:
        self.kinds[kind] += 1

    def value(self, value: Any) -> Any:
        """A JSON value or a text, masked; the same object if nothing was.

        Raises:
            ValueError: it has no end, or more parts than anybody writes.
        """
        return masked_value(self._search, value, self._report)

    def stream(self, items: Sequence[StreamItem], *, final: bool) -> int:
        """Mask frames in place; how many of them, from the first, may be stored now."""
        return self._stream.take(items, final=final) if items else 0
