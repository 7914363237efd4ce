"""Parts that Google's side did or answered by itself: code that the model ran, tools that Google hosts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracekit.decoding import Fact, Noted, ToolFinished, ToolResult, ToolStarted

__all__ = ["ServerParts"]

_NAMES = {
    "executableCode": "executable_code",
    "codeExecutionResult": "code_execution_result",
    "toolCall": "tool_call",
    "toolResponse": "tool_response",
}


class ServerParts:
    """The server parts of one stream. Code execution is told as a call; the others are only named."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._media: list[str] = []
        self._count = 0
        self._by_id: dict[str, int] = {}

    def add(self, part: dict[str, Any], choice: int) -> Sequence[Fact]:
        """The facts of a part that is neither text nor a function call."""
        for theirs, ours in _NAMES.items():
            if isinstance(body := part.get(theirs), dict):
                self._seen.add(ours)
                if theirs == "executableCode":
                    return self._code(body, choice)
                if theirs == "codeExecutionResult":
                    return self._result(body)
                return ()
        media = part.get("inlineData", part.get("fileData"))
        if isinstance(media, dict) and isinstance(kind := media.get("mimeType"), str):
            self._media.append(kind)
        return ()

    def noted(self) -> Sequence[Fact]:
        """The names of the kinds of server parts, sorted, as `server_parts`; media types of other parts as `media`."""
        parts = (Noted("server_parts", sorted(self._seen)),) if self._seen else ()
        return (*parts, *((Noted("media", self._media),) if self._media else ()))

    def _code(self, body: dict[str, Any], choice: int) -> Sequence[Fact]:
        self._count += 1
        identifier = body.get("id")
        if isinstance(identifier, str):
            self._by_id[identifier] = self._count
        key = "code", self._count
        arguments = {name: value for name, value in body.items() if name != "id"}
        named = identifier if isinstance(identifier, str) else None
        return ToolStarted(key, named, "code_execution", "executable_code", choice), ToolFinished(key, arguments)

    def _result(self, body: dict[str, Any]) -> Sequence[Fact]:
        """What the code printed; it belongs to the code of its id, or else to the last one."""
        identifier = body.get("id")
        number = self._by_id.get(identifier, self._count) if isinstance(identifier, str) else self._count
        if not number:
            return ()
        return (ToolResult(("code", number), body.get("output"), body.get("outcome") != "OUTCOME_OK"),)
