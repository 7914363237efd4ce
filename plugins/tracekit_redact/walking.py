"""JSON values looked through and masked, however deep they are nested."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tracekit import json_text
from tracekit_redact.masks import Report, mask_of, masked_text
from tracekit_redact.placeholders import is_mask
from tracekit_redact.search import Search
from tracekit_redact.triggers import END

__all__ = ["masked_value"]

# Parts of one value. One that holds itself has no end.
_MOST_PARTS = 4_000_000

# Beside one of these, `token` is a word of a model and no secret.
_WORDS_OF_A_MODEL = frozenset(
    {"logprob", "logProbability", "log_probability", "bytes", "token_id", "tokenId", "top_logprobs"}
)

# An object with one of these tells what belongs under a name, not what stands there (JSON Schema).
_SCHEMA = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "enum", "properties", "description"})

# Under these names stands `name=value&name=value`.
_FORMS = frozenset({"query", "query_string", "body_text"})

# Of two-part lists, only those that name a header are taken for a name and its value.
_HEADERS = frozenset({"authorization", "cookie"})

_NUMBERS = (int, float)


def masked_value(search: Search, value: Any, report: Report) -> Any:
    """`value` with its secrets masked; the same object where it has none. `report` is told the kind of each.

    Raises:
        ValueError: it has no end, or more parts than anybody writes.
    """
    plain = _as_json(value)
    if isinstance(plain, str):
        return masked_text(search, plain, report)
    if not isinstance(plain, dict | list) or not _is_suspicious(search, plain):
        return plain
    return _Walk(search, report).masked(plain)


def _as_json(value: Any) -> Any:
    """A value as JSON has it: what JSON has no form for is written as it will be stored."""
    if value is None or isinstance(value, str | bool | int | float | dict | list):
        return value
    return json_text.decode(json_text.encode_bytes(value))


def _is_suspicious(search: Search, value: dict[Any, Any] | list[Any]) -> bool:
    """Whether a name or a text in it is worth a closer look. All texts are looked at together, which costs least."""
    texts: list[str] = []
    waiting, parts = [value], 0
    while waiting:
        container = waiting.pop()
        parts += len(container) + 1
        if parts > _MOST_PARTS:
            raise ValueError(f"a value of more than {_MOST_PARTS} parts")
        if isinstance(container, dict):
            if not _take_names(search, container, texts):
                return True
            members: Iterable[Any] = container.values()
            if not _FORMS.isdisjoint(container):
                texts += [f"?{form}" for name in _FORMS if isinstance(form := container.get(name), str)]
        else:
            if len(container) == 2 and isinstance(container[0], str) and search.names.kind(container[0]):
                return True
            members = container
        for inner in members:
            if isinstance(inner, str):
                texts.append(inner)
            elif isinstance(inner, dict | list):
                waiting.append(inner)
            elif inner is not None and not isinstance(inner, bool | int | float):
                return True
    return search.is_suspicious(END.join(texts))


def _take_names(search: Search, value: dict[Any, Any], texts: list[str]) -> bool:
    """Add the names of an object to `texts`; false where one of them already is reason for a closer look."""
    kind_of = search.names.kind
    for name in value:
        if not isinstance(name, str) or kind_of(name):
            return False
        texts.append(name)
    named = _pair(value)
    return named is None or kind_of(named) is None


class _Walk:
    """One value on its way to a masked copy, container by container: its depth costs no stack."""

    def __init__(self, search: Search, report: Report) -> None:
        self._search = search
        self._report = report
        self._changed = False
        self._parts = 0
        self._waiting: list[tuple[Any, Any, str | None]] = []
        """Containers with their copies, and the kind of secret that everything in them is."""

    def masked(self, value: dict[Any, Any] | list[Any]) -> Any:
        """The copy, or the value itself where nothing in it is a secret."""
        copy = self._container(value, None)
        while self._waiting:
            source, target, kind = self._waiting.pop()
            self._parts += len(source) + 1
            if self._parts > _MOST_PARTS:
                raise ValueError(f"a value of more than {_MOST_PARTS} parts")
            if isinstance(source, dict):
                self._object(source, target, kind)
            else:
                self._array(source, target, kind)
        return copy if self._changed else value

    def _container(self, value: Any, kind: str | None) -> Any:
        copy: Any = {} if isinstance(value, dict) else []
        self._waiting.append((value, copy, kind))
        return copy

    def _object(self, source: Mapping[Any, Any], target: dict[Any, Any], kind: str | None) -> None:
        named = _pair(source)
        for name, inner in source.items():
            own = self._kind(source, name) or kind
            if named is not None and name == "value":
                own = self._search.names.kind(named) or own
            hides_numbers = own == "password" and self._search.names.hides_numbers(str(name))
            target[self._name(name)] = self._member(inner, own, name, hides_numbers=hides_numbers)

    def _name(self, name: Any) -> Any:
        return self._text(name) if isinstance(name, str) else name

    def _kind(self, source: Mapping[Any, Any], name: Any) -> str | None:
        kind = self._search.names.kind(name) if isinstance(name, str) else None
        return None if kind == "token" and not _WORDS_OF_A_MODEL.isdisjoint(source) else kind

    def _array(self, source: list[Any], target: list[Any], kind: str | None) -> None:
        if kind is None and len(source) == 2 and all(isinstance(inner, str) for inner in source):
            name, value = source
            target += [self._text(name), self._member(value, self._header(name))]
            return
        target += [self._member(inner, kind) for inner in source]

    def _header(self, name: str) -> str | None:
        kind = self._search.names.kind(name)
        return kind if "-" in name or name.lower() in _HEADERS else None

    def _member(self, value: Any, kind: str | None, name: Any = None, *, hides_numbers: bool = False) -> Any:
        value = _as_json(value)
        if isinstance(value, str):
            return self._secret(value, kind) if kind else self._text(value, name)
        if isinstance(value, _NUMBERS) and hides_numbers and not isinstance(value, bool):
            return self._secret(str(value), kind or "password")
        if isinstance(value, dict | list):
            return self._container(value, kind if kind != "token" and not _tells_of_type(value) else None)
        return value

    def _secret(self, value: str, kind: str) -> str:
        if not value or is_mask(value) or self._search.allowed(value):
            return value
        self._changed = True
        self._report(kind)
        return mask_of(kind)

    def _text(self, text: str, name: Any = None) -> str:
        if name in _FORMS:
            masked = masked_text(self._search, f"?{text}", self._report)[1:]
        else:
            masked = masked_text(self._search, text, self._report)
        self._changed = self._changed or masked != text
        return masked


def _tells_of_type(value: Any) -> bool:
    return isinstance(value, dict) and not _SCHEMA.isdisjoint(value)


def _pair(source: Mapping[Any, Any]) -> str | None:
    """The name in an object that has a name and a value: a header in a list of headers, a variable."""
    for name in ("name", "key", "header"):
        if "value" in source and isinstance(named := source.get(name), str):
            return named
    return None
