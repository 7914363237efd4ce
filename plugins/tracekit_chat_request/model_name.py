"""The model that a request asks for."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

__all__ = ["model_name"]

_NAMES = ("model", "modelId", "model_id", "model_name", "modelName", "selectedModel", "selectedChatModel")

# Gemini and Vertex AI: /models/{model}:streamGenerateContent. Bedrock: /model/{id}/converse-stream. Azure OpenAI:
# /deployments/{name}/chat/completions.
_IN_PATH = re.compile(
    r"/models/([^/:]{1,200}):|/model/([^/]{1,200})/(?:invoke|converse)|/deployments/([^/]{1,200})/(?:chat/)?completions"
)


def model_name(body: dict[str, Any], path: str) -> str | None:
    """The model, in the request's own words."""
    config = body.get("config")
    configurable = config.get("configurable") if isinstance(config, dict) else None
    for place in (body, config, configurable, body.get("metadata"), body.get("data")):
        if isinstance(place, dict) and (named := _named(place)):
            return named
    match = _IN_PATH.search(path)
    return next((unquote(name) for name in match.groups() if name), None) if match else None


def _named(place: dict[str, Any]) -> str | None:
    for name in _NAMES:
        value = place.get(name)
        if isinstance(value, dict):
            value = value.get("id", value.get("name"))
        if isinstance(value, str) and value.strip():
            return value.strip()[:256]
    return None
