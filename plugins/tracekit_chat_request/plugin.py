"""A request's conversation, model, prompt and parameters, from its JSON body, its path and its query."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

from tracekit.hookspecs import hookimpl
from tracekit.requests import RequestDescription, RequestInfo
from tracekit_chat_request.conversation_ids import client_message_id, message_id, session_id
from tracekit_chat_request.model_name import model_name
from tracekit_chat_request.parameters import parameters
from tracekit_chat_request.prompt import prompt

__all__ = ["tracekit_describe_request"]

_MOST_FIELDS = 200


@hookimpl
def tracekit_describe_request(request: RequestInfo) -> RequestDescription | None:
    """Describes a request whose body is a JSON object; of another, what its path and query say."""
    body = request.json if isinstance(request.json, dict) else _query(request.query_string)
    return RequestDescription(
        session_id=session_id(body, request.path),
        message_id=message_id(body),
        client_message_id=client_message_id(body),
        model=model_name(body, request.path),
        prompt=prompt(body),
        metadata=parameters(body),
    )


def _query(query_string: str) -> dict[str, Any]:
    """The query as a flat body: an `EventSource` of a browser can send nothing else."""
    try:
        return dict(parse_qsl(query_string, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}
