"""Decoders for streams of no known format."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.decoding import Ended, Fact, Failed, Finished, Frame, ModelNamed, Reasoning, Text, Unreadable
from tracekit_generic.places import Kind, failure_in, kind_of, said_in

__all__ = ["DONE", "JsonDecoder", "TextDecoder"]

DONE = b"[DONE]"
_REASONS = ("finish_reason", "stop_reason", "done_reason")
_ABOUT = frozenset({"model", *_REASONS})


class JsonDecoder:
    """Reads payloads that are JSON objects, or JSON strings."""

    wire_format = "generic-json"

    def __init__(self) -> None:
        self._has_text = False
        self._model: str | None = None

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one frame; none for an object without anything in the usual places.

        Raises:
            Unreadable: the payload is neither an object nor a string of JSON.
        """
        if frame.data == DONE:
            return (Ended(),)
        kind = kind_of(frame.event)
        if not frame.data or (kind is Kind.ERROR and not frame.data.lstrip().startswith(b"{")):
            return _bare(kind, frame.text)
        value = frame.json
        if isinstance(value, dict):
            return self._object(value, kind)
        if isinstance(value, str):
            self._has_text = True
            return _bare(kind, value)
        raise Unreadable("neither an object nor a string")

    def finish(self) -> Sequence[Fact]:
        """Nothing is left to say."""
        return ()

    def _object(self, value: dict[str, Any], event_kind: Kind) -> Sequence[Fact]:
        own_kind = kind_of(value.get("type"), value.get("event"))
        kind = event_kind if own_kind is Kind.OTHER else own_kind
        failure = failure_in(value, kind is Kind.ERROR)
        if failure is not None:
            return (failure,)
        facts = self._about(value)
        # A last frame often repeats the answer as a whole, which is news only where no piece of it came before.
        if kind is Kind.OTHER or kind is Kind.THOUGHT or (kind is Kind.END and not self._has_text):
            facts += self._said(value, kind)
        if kind is Kind.END or value.get("done") is True:
            facts.append(Ended())
        return facts

    def _said(self, value: dict[str, Any], kind: Kind) -> Sequence[Fact]:
        text, thought = said_in(value)
        if kind is Kind.THOUGHT:
            return (Reasoning(thought or text),) if thought or text else ()
        self._has_text = self._has_text or bool(text)
        return (*((Reasoning(thought),) if thought else ()), *((Text(text),) if text else ()))

    def _about(self, value: dict[str, Any]) -> list[Fact]:
        facts: list[Fact] = []
        if _ABOUT.isdisjoint(value):
            return facts
        if isinstance(model := value.get("model"), str) and model != self._model:
            self._model = model
            facts.append(ModelNamed(model))
        reasons = map(value.get, _REASONS)
        return facts + [Finished(reason) for reason in reasons if isinstance(reason, str) and reason]


class TextDecoder:
    """Reads payloads that are pieces of the answer as they stand; an object among them is read as JSON."""

    wire_format = "generic-text"

    def __init__(self) -> None:
        self._json = JsonDecoder()

    def feed(self, frame: Frame) -> Sequence[Fact]:
        """The facts of one frame."""
        if frame.data == DONE:
            return (Ended(),)
        if frame.data.startswith(b"{") and frame.data.endswith(b"}"):
            try:
                facts = self._json.feed(frame)
            except Unreadable:
                facts = ()
            if facts:
                return facts
        return _bare(kind_of(frame.event), frame.text)

    def finish(self) -> Sequence[Fact]:
        """Nothing is left to say."""
        return ()


def _bare(kind: Kind, text: str) -> Sequence[Fact]:
    """What a text amounts to in an event of this kind."""
    if kind is Kind.OTHER:
        return (Text(text),) if text else ()
    if kind is Kind.THOUGHT:
        return (Reasoning(text),) if text else ()
    if kind is Kind.END:
        return (Ended(),)
    return (Failed(text or "error"),) if kind is Kind.ERROR else ()
