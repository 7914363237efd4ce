"""What is recorded of an HTTP exchange besides its frames."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tracekit import json_text
from tracekit.requests import RequestInfo
from tracekit.trace import HttpHead

__all__ = ["chosen_headers", "header_map", "request_info", "request_payload"]

# Headers that explain a request or a response. Others may hold credentials under names nobody has heard of.
_CHOSEN = frozenset(
    {
        *("accept", "accept-encoding", "accept-language", "cache-control", "content-encoding", "content-language"),
        *("content-length", "content-type", "host", "origin", "referer", "retry-after", "server", "traceparent"),
        *("tracestate", "transfer-encoding", "user-agent", "vary", "via", "x-accel-buffering", "x-correlation-id"),
        *("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-model", "x-ratelimit-limit"),
        *("x-ratelimit-remaining", "x-request-id", "x-trace-enabled", "x-vercel-ai-data-stream"),
        *("x-vercel-ai-ui-message-stream", "anthropic-version", "openai-processing-ms"),
    }
)


def header_map(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by lower-case name; repeated ones joined by a comma (RFC 9110, section 5.2)."""
    found: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = bytes(raw_name).decode("latin-1").lower(), bytes(raw_value).decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


def chosen_headers(headers: dict[str, str]) -> dict[str, str]:
    """The headers that are stored."""
    return {name: value for name, value in headers.items() if name in _CHOSEN}


def request_info(http: HttpHead) -> RequestInfo:
    """The request as plugins see it."""
    body = b"".join(http.body)
    return RequestInfo(
        method=http.method,
        path=http.path,
        query_string=http.query_string.decode("latin-1"),
        headers=header_map(http.headers),
        body=body,
        body_size=http.body_size,
        json=_json(body) if len(body) == http.body_size else None,
    )


def _json(body: bytes) -> Any:
    try:
        return json_text.decode(body)
    except ValueError:
        return None


def request_payload(http: HttpHead, info: RequestInfo) -> dict[str, Any]:
    """The payload of `request.received`."""
    payload: dict[str, Any] = {
        "method": info.method,
        "path": info.path,
        "query": info.query_string,
        "client": http.client,
        "headers": chosen_headers(dict(info.headers)),
        "body_bytes": info.body_size,
    }
    if info.json is not None:
        payload["body"] = info.json
    elif info.body:
        payload["body_text"] = info.body.decode("utf-8", "replace")
    if len(info.body) < info.body_size:
        payload["body_kept_bytes"] = len(info.body)
    return payload
