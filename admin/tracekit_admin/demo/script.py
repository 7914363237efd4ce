"""What the demo's model says. The conversation alone decides, so the same prompt always gives the same answer."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["Answer", "Conversation", "ToolUse", "answer_to", "read_conversation", "weather_in"]

# The first letters that are Chinese, and the words that make the model do something.
_CHINESE = re.compile(r"[\u4e00-\u9fff]")
_WEATHER = re.compile(r"weather|天气", re.IGNORECASE)
_FAILURE = re.compile(r"\bfail|\berror|出错", re.IGNORECASE)
_SILENCE = re.compile(r"silen|\bslow|think hard|慢", re.IGNORECASE)
_CITY = re.compile(r"\bin ([A-Z][\w-]{1,40})")

_SILENT_SECONDS = 5.0
_REASONING = "The question is about {topic}. I should answer in a few sentences and keep to what I know."
_ENGLISH = (
    "You asked: “{prompt}”. I am a scripted model, so I will tell you about this very answer instead. "
    "It reaches you as a stream of server-sent events, a few letters in each. Between two of them lies a pause, "
    "and now and then a comment that only keeps the connection open.\n\n"
    "The server that sends it has tracekit mounted in front. Each frame went to you first and was noted after, "
    "with its time to the microsecond. If you ticked “Record this answer”, follow the link below it: "
    "you will find every frame, the first-content time, the longest silence, the token counts and how it ended."
)
_IN_CHINESE = (
    "您问的是：“{prompt}”。我是按脚本回答的模型，所以我来介绍这次回答本身。"
    "它以服务器推送事件的形式到达，每个事件只有几个字；事件之间有停顿，偶尔还有一条只为保持连接的注释。\n\n"
    "服务器前面装有 tracekit：每一帧先发给您，然后才记下它的时间，精确到微秒。"
)
_WEATHER_TEXT = "It is {degrees} °C in {city} now, with {sky} and a light wind from the west."
_SKIES = ("a clear sky", "some cloud", "light rain", "morning fog")


@dataclass(frozen=True, slots=True)
class Conversation:
    """What the model is asked: the user's last words, and whether a tool has answered since."""

    prompt: str
    tool_has_answered: bool = False


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call that the model makes, with what the demo's tool answers."""

    id: str
    name: str
    arguments: dict[str, Any]
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer before it is put in a wire format."""

    id: str
    reasoning: str
    text: str
    tool: ToolUse | None = None
    tool_has_answered: bool = False
    silent_seconds: float = 0.0
    breaks_off: bool = False
    input_tokens: int = 0

    @property
    def awaits_tool(self) -> bool:
        """Whether a format that leaves tools to the client ends here, with the call."""
        return self.tool is not None and not self.tool_has_answered

    @property
    def said(self) -> str:
        """What such a format says beside the reasoning: the text, or the arguments of the call."""
        return json.dumps(self.tool.arguments) if self.tool and self.awaits_tool else self.text


def answer_to(conversation: Conversation) -> Answer:
    """The model's answer. Weather calls a tool, failure breaks off half-way, silence thinks for some seconds."""
    prompt = conversation.prompt
    tool = weather_in(_city(prompt)) if _WEATHER.search(prompt) else None
    return Answer(
        id=_digest(prompt)[:24],
        reasoning="" if conversation.tool_has_answered else _reasoning(tool),
        text=_text(prompt, tool),
        tool=tool,
        tool_has_answered=conversation.tool_has_answered,
        silent_seconds=_SILENT_SECONDS if _SILENCE.search(prompt) else 0.0,
        breaks_off=bool(_FAILURE.search(prompt)),
        input_tokens=12 + len(prompt) // 4,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _city(prompt: str) -> str:
    match = _CITY.search(prompt)
    return match[1] if match else "Lisbon"


def weather_in(city: str) -> ToolUse:
    """The call that asks for a city's weather, and what it answers: always the same for the same city."""
    digest = _digest(city)
    number = int(digest[:4], 16)
    return ToolUse(
        id=f"call_{digest[:16]}",
        name="get_weather",
        arguments={"city": city, "unit": "celsius"},
        result={"city": city, "degrees": 8 + number % 20, "sky": _SKIES[number % len(_SKIES)]},
    )


def _reasoning(tool: ToolUse | None) -> str:
    return _REASONING.format(topic="the weather" if tool else "this demo")


def _text(prompt: str, tool: ToolUse | None) -> str:
    if tool:
        return _WEATHER_TEXT.format(**tool.result)
    return (_IN_CHINESE if _CHINESE.search(prompt) else _ENGLISH).format(prompt=_shortened(prompt))


def _shortened(prompt: str, most: int = 200) -> str:
    return prompt if len(prompt) <= most else prompt[: most - 1] + "…"


def read_conversation(messages: object) -> Conversation:
    """The conversation in a list of messages, in any of the three request formats.

    Raises:
        ValueError: it holds no user message with text.
    """
    prompt, tool_has_answered = "", False
    for message in messages if isinstance(messages, list) else []:
        parts = _parts(message)
        words = "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
        if message.get("role") == "user" and words:
            prompt, tool_has_answered = words, False
        elif message.get("role") == "tool" or any(part.get("type") == "tool_result" for part in parts):
            tool_has_answered = True
    if not prompt:
        raise ValueError("messages holds no user message with text")
    return Conversation(prompt, tool_has_answered)


def _parts(message: object) -> list[dict[str, Any]]:
    """A message's parts: `content` as text or as parts, or the `parts` of a UI message.

    Raises:
        ValueError: it is no JSON object.
    """
    if not isinstance(message, dict):
        raise ValueError(f"a message must be a JSON object, not {json.dumps(message)[:40]}")
    content = message.get("content", message.get("parts"))
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [part for part in content if isinstance(part, dict)] if isinstance(content, list) else []
