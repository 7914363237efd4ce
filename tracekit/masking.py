"""The gate before the store: every redactor sees every value, and a redactor that fails lets nothing pass."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from tracekit import json_text
from tracekit.fence import pass_interrupt
from tracekit.plugins import PluginHost
from tracekit.redaction import Redactor, StreamItem

__all__ = ["Mask"]

_raw_of, _is_redacted = attrgetter("raw"), attrgetter("redacted")

# What is one of these must stay one: readers count on it, and the answer of a broken redactor is not to be trusted.
_KINDS = (str, dict, list)


class Mask:
    """The redactors of one trace as one. Fails closed: what cannot be checked is withheld, and counted."""

    def __init__(self, plugins: PluginHost, redactors: Sequence[tuple[str, Redactor | None]]) -> None:
        self._plugins = plugins
        self._redactors = redactors
        self._passed = [0] * len(redactors)
        """How many of the frames that are held each redactor has let pass."""
        self.redacted = 0
        """Values that were changed or withheld."""

    def __bool__(self) -> bool:
        return bool(self._redactors)

    def value(self, value: Any) -> Any:
        """A JSON value or text as it may be stored."""
        masked = value
        for plugin, redactor in self._redactors:
            masked = self._one(plugin, redactor, masked)
        if masked is not value and masked != value:
            self.redacted += 1
        return masked

    def _one(self, plugin: str, redactor: Redactor | None, value: Any) -> Any:
        try:
            if redactor is None:
                raise RuntimeError("the redactor could not be made")
            masked = redactor.value(value)
            if any(isinstance(value, kind) and not isinstance(masked, kind) for kind in _KINDS):
                raise TypeError(f"{type(value).__name__} was masked as {type(masked).__name__}")
        except BaseException as error:  # noqa: BLE001 - fails closed, whatever it is
            pass_interrupt(error)
            self._plugins.fence.note(plugin, "Redactor.value", error)
            return _withheld(value)
        return masked

    def stream(self, items: Sequence[StreamItem], *, final: bool) -> int:
        """Mask frames in place; how many of them, from the first, may be stored now.

        A redactor is given those frames that the one before it has let pass, and none that it has let pass itself.
        """
        ready = len(items)
        for place, (plugin, redactor) in enumerate(self._redactors):
            passed = self._passed[place]
            ready = passed + self._one_stream(plugin, redactor, items[passed:ready], final=final)
            self._passed[place] = ready
        if self._passed:
            self._passed = [passed - ready for passed in self._passed]
        self.redacted += sum(map(_is_redacted, items[:ready]))
        return ready

    def _one_stream(self, plugin: str, redactor: Redactor | None, items: Sequence[StreamItem], *, final: bool) -> int:
        try:
            if redactor is None:
                raise RuntimeError("the redactor could not be made")
            ready = redactor.stream(items, final=final)
            if type(ready) is not int or not 0 <= ready <= len(items):
                raise ValueError(f"{ready!r} of {len(items)} frames cannot be ready")
            if not all(issubclass(kind, bytes) for kind in set(map(type, map(_raw_of, items)))):
                raise TypeError("a frame was masked as something that is not bytes")
        except BaseException as error:  # noqa: BLE001 - fails closed, whatever it is
            pass_interrupt(error)
            self._plugins.fence.note(plugin, "Redactor.stream", error)
            for item in items:
                item.raw, item.redacted = b"", True
            return len(items)
        return len(items) if final else ready


def _withheld(value: Any) -> Any:
    if isinstance(value, str):
        return f"[withheld: {len(value)} characters]"
    return {"withheld_bytes": len(json_text.encode_bytes(value))}
