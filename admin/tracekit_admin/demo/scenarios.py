"""The chats that the demo's check sends, and what must be recorded of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracekit.types import EndReason
from tracekit_admin.demo.client import Address, Received, post
from tracekit_admin.demo.model import FORMATS, WireFormat
from tracekit_admin.demo.script import Answer, Conversation, answer_to

__all__ = ["SCENARIOS", "Exchange", "Scenario", "send"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One chat. `end_reason` is how its trace must end; None: there must be no trace."""

    title: str
    format: str
    prompt: str
    end_reason: EndReason | None = EndReason.COMPLETED
    leave_after: int | None = None

    @property
    def wire_format(self) -> WireFormat:
        """The format the answer comes in."""
        return FORMATS[self.format]

    @property
    def answer(self) -> Answer:
        """What the model says."""
        return answer_to(Conversation(self.prompt))

    @property
    def text(self) -> str:
        """The text of a complete answer; a format that leaves tools to the client has none beside a call."""
        return "" if self.answer.awaits_tool and self.format != "ui" else self.answer.text


@dataclass(frozen=True, slots=True)
class Exchange:
    """A chat that has taken place."""

    scenario: Scenario
    session_id: str
    received: Received


_SILENCE = "Think hard about silence."
_WEATHER = "What is the weather in Oslo?"

SCENARIOS = (
    *(Scenario("complete answer", name, _SILENCE) for name in FORMATS),
    *(Scenario("tool call", name, _WEATHER) for name in FORMATS),
    Scenario("complete answer in Chinese", "openai", "请介绍一下流式回答"),
    Scenario("app error in mid-stream", "openai", "Fail half-way, please.", EndReason.APP_ERROR),
    Scenario("client hangs up", "ui", _SILENCE, EndReason.CLIENT_DISCONNECTED, leave_after=12),
    Scenario("not recorded", "anthropic", "Between you and me.", None),
)


def send(address: Address, scenario: Scenario, session_id: str) -> Exchange:
    """Let one chat take place."""
    request = _request(scenario, session_id)
    received = post(address, scenario.wire_format.path, request, leave_after=scenario.leave_after)
    return Exchange(scenario, session_id, received)


def _request(scenario: Scenario, session_id: str) -> dict[str, Any]:
    content: dict[str, Any] = {"content": scenario.prompt}
    if scenario.format == "ui":
        content = {"parts": [{"type": "text", "text": scenario.prompt}]}
    return {
        "model": "scripted-1",
        "stream": True,
        "max_tokens": 1024,
        "sessionId": session_id,
        "traceEnabled": scenario.end_reason is not None,
        "messages": [{"role": "user", **content}],
    }
