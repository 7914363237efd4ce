"""What else a request asks for: sampling, limits, tools, and how much it brings along."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from tracekit_chat_request.content import content_text
from tracekit_chat_request.messages import message_list, system_text

__all__ = ["parameters"]

# Our name for a parameter, and theirs.
_NUMBERS = {
    "temperature": ("temperature",),
    "top_p": ("top_p", "topP"),
    "top_k": ("top_k", "topK"),
    "max_tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "maxTokens"),
        *("num_predict", "max_new_tokens"),
    ),
    "seed": ("seed",),
    "n": ("n", "candidateCount", "num_generations"),
}
# Where parameters stand beside the body itself: Gemini, Ollama, Hugging Face, Bedrock.
_GROUPS = ("generationConfig", "generation_config", "options", "parameters", "inferenceConfig")
_SYSTEM = ("system", "systemInstruction", "system_instruction", "instructions", "preamble")
_MOST_TOOLS = 50
_LONGEST_NAME = 100


def parameters(body: dict[str, Any]) -> dict[str, Any]:
    """The parameters of a request under common names; those it does not have are left out."""
    messages = message_list(body)
    found: dict[str, Any] = {
        **{name: _number(body, theirs) for name, theirs in _NUMBERS.items()},
        "stream": body["stream"] if isinstance(body.get("stream"), bool) else None,
        "messages": len(messages) or None,
        "tools": list(islice(_tool_names(body), _MOST_TOOLS)) or None,
        "tool_choice": _choice(body),
        "reasoning_effort": _effort(body),
        "system_prompt_characters": len(_system(body, messages)) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _number(body: dict[str, Any], names: tuple[str, ...]) -> int | float | None:
    for place in (body, *(body.get(group) for group in _GROUPS)):
        if isinstance(place, dict):
            for name in names:
                value = place.get(name)
                if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63:
                    return value
    return None


def _tool_names(body: dict[str, Any]) -> Iterator[str]:
    """The names of the tools on offer. A hosted tool has only a type; Gemini groups declarations, AI SDK maps names."""
    tools = body.get("tools", body.get("functions"))
    if isinstance(tools, dict):
        yield from (name[:_LONGEST_NAME] for name in tools)
        return
    for tool in tools if isinstance(tools, list) else ():
        if isinstance(tool, str):
            yield tool[:_LONGEST_NAME]
        elif isinstance(tool, dict):
            yield from _names_of(tool)


def _names_of(tool: dict[str, Any]) -> Iterator[str]:
    declared = tool.get("functionDeclarations", tool.get("function_declarations"))
    if isinstance(declared, list):
        yield from filter(None, map(_name, declared))
        return
    named = _name(tool.get("function")) or _name(tool.get("toolSpec")) or _name(tool)
    kind = tool.get("type")
    if named is None:
        named = kind[:_LONGEST_NAME] if isinstance(kind, str) else next(iter(tool), None)
    if named:
        yield named[:_LONGEST_NAME]


def _name(value: Any) -> str | None:
    name = value.get("name") if isinstance(value, dict) else None
    return name[:_LONGEST_NAME] if isinstance(name, str) and name else None


def _choice(body: dict[str, Any]) -> str | None:
    choice = body.get("tool_choice", body.get("toolChoice"))
    if isinstance(choice, dict):
        choice = _name(choice.get("function")) or _name(choice) or choice.get("type")
    return choice[:_LONGEST_NAME] if isinstance(choice, str) else None


def _effort(body: dict[str, Any]) -> str | None:
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else body.get("reasoning_effort")
    return effort[:_LONGEST_NAME] if isinstance(effort, str) else None


def _system(body: dict[str, Any], messages: list[Any]) -> str:
    for name in _SYSTEM:
        value = body.get(name)
        content = value.get("parts") if isinstance(value, dict) else value
        if isinstance(content, str | list) and (text := content_text(content)):
            return text
    return system_text(messages)
