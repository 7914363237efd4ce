"""`MESSAGES_SNAPSHOT`: all messages of the thread at once, of which only some are this run's."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Set
from typing import Any

from tracekit_ag_ui.fields import message_text, text_member

__all__ = ["StreamedMessages", "ids_of", "input_ids", "messages_of_run", "tool_calls"]


def input_ids(run_input: Any) -> frozenset[str]:
    """The ids of the messages that a run was started with, as a request body or `RUN_STARTED` has them."""
    messages = run_input.get("messages") if isinstance(run_input, dict) else None
    return ids_of(messages) if isinstance(messages, list) else frozenset()


def ids_of(messages: list[Any]) -> frozenset[str]:
    """The ids of these messages."""
    ids = (message.get("id") for message in messages if isinstance(message, dict))
    return frozenset(identifier for identifier in ids if isinstance(identifier, str))


def messages_of_run(messages: list[Any], known: Set[str]) -> list[dict[str, Any]]:
    """The messages that this run added: what follows the last question, less what the run was started with."""
    start = max((number for number, message in enumerate(messages) if _is_question(message)), default=-1) + 1
    return [message for message in messages[start:] if isinstance(message, dict) and not _is_known(message, known)]


def tool_calls(message: Mapping[str, Any]) -> Iterator[tuple[str, str | None, str]]:
    """Id, name and argument text of the calls in an assistant's message."""
    calls = message.get("toolCalls") or message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        identifier = text_member(call, "id") if isinstance(call, dict) else None
        if identifier is not None:
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            yield identifier, text_member(function, "name"), text_member(function, "arguments") or ""


class StreamedMessages:
    """The texts that were streamed, kept to tell what of a snapshot is new.

    A snapshot replaces the client's messages. So text that comes later under an id which the snapshot does not have
    begins another message.
    """

    def __init__(self) -> None:
        self._pieces: dict[Hashable, list[str]] = {}
        self._parts: dict[str | None, tuple[int, Hashable]] = {}
        self._snapshots = 0
        self._ids_of_snapshot: frozenset[str] = frozenset()

    def add(self, identifier: str | None, text: str) -> Hashable:
        """A piece of a message; answers the part it belongs to."""
        since, part = self._parts.get(identifier, (-1, None))
        if since != self._snapshots:
            if since < 0 or identifier not in self._ids_of_snapshot:
                part = (identifier, self._snapshots)
                self._pieces[part] = []
            self._parts[identifier] = (self._snapshots, part)
        self._pieces[part].append(text)
        return part

    def replaced_by(self, messages: list[Any]) -> None:
        """A snapshot takes the place of all messages so far."""
        self._snapshots += 1
        self._ids_of_snapshot = ids_of(messages)

    def untold(self, messages: Iterable[Mapping[str, Any]], role: str) -> Iterator[tuple[str | None, str]]:
        """Id and text of the messages of one role that were not streamed.

        Ids are not stable between the stream and the snapshot, so the text decides as well; servers trim it.
        """
        whole = "".join(piece for pieces in self._pieces.values() for piece in pieces)
        texts = {"", whole.strip(), *("".join(pieces).strip() for pieces in self._pieces.values())}
        for message in messages:
            text, identifier = message_text(message), text_member(message, "id")
            if message.get("role") == role and text.strip() not in texts and identifier not in self._parts:
                yield identifier, text


def _is_question(message: Any) -> bool:
    return isinstance(message, dict) and message.get("role") == "user"


def _is_known(message: Mapping[str, Any], known: Set[str]) -> bool:
    return text_member(message, "id") in known
