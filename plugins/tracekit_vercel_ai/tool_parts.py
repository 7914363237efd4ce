"""The tool calls of a UI message stream: which part belongs to which call, and the state each call is in."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from tracekit.decoding import Fact, ToolArguments, ToolFinished, ToolResult, ToolStarted
from tracekit_vercel_ai.fields import optional_text, required_text

__all__ = ["ToolParts"]

Part = Mapping[str, Any]


class ToolParts:
    """Turns `tool-*` parts into facts.

    A call is found by its `toolCallId`. The AI SDK looks for it in the current step first, so the same id in a later
    step begins another call; results go to the latest call of their id.
    """

    def __init__(self) -> None:
        self._latest: dict[str, Hashable] = {}
        self._of_this_step: set[str] = set()
        self._ids: dict[Hashable, str] = {}
        self._states: dict[Hashable, str] = {}
        self._preliminary: dict[Hashable, Any] = {}
        self._unfinished: set[Hashable] = set()

    def start_step(self) -> None:
        """A new step begins: ids may be used again."""
        self._of_this_step.clear()

    def input_start(self, part: Part) -> Sequence[Fact]:
        """`tool-input-start`: a call begins."""
        started = self._opened(part, "input-streaming")
        self._unfinished.add(started.key)
        return (started,)

    def input_delta(self, part: Part) -> Sequence[Fact]:
        """`tool-input-delta`: a piece of the arguments."""
        text = required_text(part, "inputTextDelta")
        return (*self._found(part), ToolArguments(self._latest[part["toolCallId"]], text))

    def input_available(self, part: Part) -> Sequence[Fact]:
        """`tool-input-available`: the arguments, whole."""
        started = self._opened(part, "input-available")
        self._unfinished.discard(started.key)
        return started, ToolFinished(started.key, part.get("input", ...))

    def input_error(self, part: Part) -> Sequence[Fact]:
        """`tool-input-error`: arguments that no tool takes."""
        started = self._opened(part, "output-error")
        self._unfinished.discard(started.key)
        error = ToolResult(started.key, optional_text(part, "errorText"), is_error=True)
        return started, ToolFinished(started.key, part.get("input", ...)), error

    def output_available(self, part: Part) -> Sequence[Fact]:
        """`tool-output-available`: the result. A preliminary one counts only where no final one follows."""
        started, key = self._answered(part, "output-available")
        if part.get("preliminary") is True:
            self._preliminary[key] = part.get("output")
            return started
        self._preliminary.pop(key, None)
        return (*started, ToolResult(key, part.get("output")))

    def output_error(self, part: Part) -> Sequence[Fact]:
        """`tool-output-error`: the tool failed."""
        started, key = self._answered(part, "output-error")
        self._preliminary.pop(key, None)
        return (*started, ToolResult(key, optional_text(part, "errorText"), is_error=True))

    def output_denied(self, part: Part) -> Sequence[Fact]:
        """`tool-output-denied`: a person refused the call, so there is no result."""
        return self._answered(part, "output-denied")[0]

    def approval_request(self, part: Part) -> Sequence[Fact]:
        """`tool-approval-request`: the call waits for a person."""
        return self._answered(part, "approval-requested")[0]

    def states(self) -> list[dict[str, str]]:
        """The state each call was left in, in the order of the calls, under the AI SDK's names."""
        return [{"id": self._ids[key], "state": state} for key, state in self._states.items()]

    def finish(self) -> Sequence[Fact]:
        """The results of which only preliminary ones came."""
        return [ToolResult(key, output) for key, output in self._preliminary.items()]

    def _opened(self, part: Part, state: str) -> ToolStarted:
        identifier = required_text(part, "toolCallId")
        if identifier not in self._of_this_step:
            self._of_this_step.add(identifier)
            self._register(identifier)
        key = self._latest[identifier]
        self._states[key] = state
        kind = "provider-executed" if part.get("providerExecuted") is True else None
        return ToolStarted(key, identifier, optional_text(part, "toolName"), kind)

    def _answered(self, part: Part, state: str) -> tuple[Sequence[Fact], Hashable]:
        started = self._found(part)
        key = self._latest[part["toolCallId"]]
        self._states[key] = state
        if key in self._unfinished:
            # Some servers never say that the arguments are complete.
            self._unfinished.discard(key)
            started = (*started, ToolFinished(key))
        return started, key

    def _found(self, part: Part) -> Sequence[Fact]:
        """Nothing for a call that is known; one that began in an earlier response is named here."""
        identifier = required_text(part, "toolCallId")
        if identifier in self._latest:
            return ()
        self._of_this_step.add(identifier)
        return (ToolStarted(self._register(identifier), identifier),)

    def _register(self, identifier: str) -> Hashable:
        key: Hashable = (identifier, len(self._ids)) if identifier in self._latest else identifier
        self._latest[identifier] = key
        self._ids[key] = identifier
        self._states.setdefault(key, "input-streaming")
        return key
