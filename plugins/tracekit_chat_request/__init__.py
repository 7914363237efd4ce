"""Bundled plugin: what a chat request says of itself, in the formats of the well-known APIs and in home-made ones."""

from __future__ import annotations

from tracekit_chat_request.plugin import tracekit_describe_request

__all__ = ["tracekit_describe_request"]
