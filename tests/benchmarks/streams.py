"""The stream that is recorded, and apps that send it."""

from __future__ import annotations

from collections.abc import Callable

from tracekit.types import ASGIApp, Message, Receive, Scope, Send

_CHUNK = (
    'data: {"id":"chatcmpl-AbCdEfGhIjKlMnOpQrStUvWxYz","object":"chat.completion.chunk","created":1730000000,'
    '"model":"gpt-4o-2024-08-06","system_fingerprint":"fp_0ba0d124f1","choices":[{"index":0,"delta":{"content":"%s"},'
    '"logprobs":null,"finish_reason":null}]}\n\n'
)
_WORDS = ("the", "of", "model", "answer", "stream", "because", "which", "frame", "time", "quick", "brown", "fox")


def chat_frames(count: int) -> list[bytes]:
    """`count` frames of an OpenAI chat stream, about 260 bytes each."""
    frames = [(_CHUNK % f" {_WORDS[i % len(_WORDS)]}").encode() for i in range(count - 1)]
    return [*frames, b"data: [DONE]\n\n"]


def streaming_app(frames: list[bytes]) -> ASGIApp:
    """An app that sends these frames, one message each, as fast as it can."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for frame in frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    return app


REQUEST_BODY = b'{"session_id":"s","messages":[{"role":"user","content":"Tell me something"}]}'


def scope() -> Scope:
    """A chat request's scope."""
    headers = [(b"content-type", b"application/json"), (b"host", b"localhost"), (b"user-agent", b"bench")]
    return {
        "type": "http",
        "method": "POST",
        "path": "/chat",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
    }


async def receive_body() -> Message:
    """The request, all in one message."""
    return {"type": "http.request", "body": REQUEST_BODY, "more_body": False}


async def send_nowhere(message: Message) -> None:
    """A client that takes everything at once."""


def passing_through(app: ASGIApp) -> ASGIApp:
    """A middleware that does nothing."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        async def forward(message: Message) -> None:
            await send(message)

        await app(scope, receive, forward)

    return wrapped


def appending(app: ASGIApp, clock: Callable[[], int]) -> ASGIApp:
    """A middleware that notes the time and the body of each message in a list: the least that recording can do."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        noted: list[tuple[int, bytes]] = []

        async def forward(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                noted.append((clock(), message["body"]))

        await app(scope, receive, forward)

    return wrapped
