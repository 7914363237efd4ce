"""Messages go through the middleware unchanged: the same objects, in order, at once, and nothing is added."""

from __future__ import annotations

import array
import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Outcome, Wire, body, exchange, http_scope, request, run, start, streams
from recorders import body as stored_body
from recorders import event_types, frames, only_trace, recording, written

from tracekit import Recorder, TraceMiddleware

EVENT = b"data: hello\n\n"


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    folder: Path = tmp_path_factory.mktemp("recorder")
    with recording(f"sqlite:///{folder / 'tracekit.db'}") as made:
        yield made


def recorded(recorder: Recorder, outcome: Outcome) -> str:
    """The id of the trace that this exchange made, once it is written."""
    trace_id = outcome.header("x-trace-id")
    assert trace_id is not None
    written(recorder)
    return trace_id


ODD = [
    {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]},
    {"type": "http.response.debug", "info": {"template": object()}},
    {"type": "http.response.push", "path": "/pushed", "headers": []},
    {"type": "http.response.pathsend", "path": "/no/such/file"},
    {"type": "http.response.zerocopysend", "file": 3, "count": 10, "more_body": True},
    {"type": "http.response.trailers", "headers": [(b"x-checksum", b"1")], "more_trailers": False},
    {"type": "nobody.knows.this", "anything": object()},
]


def test_every_body_message_is_the_object_that_the_app_sent(recorder: Recorder):
    """The server gets the app's own messages, in the app's order, and none of ours."""
    messages = [start(), body(EVENT), body(b""), body(EVENT), END]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    assert len(outcome.sent) == len(messages)
    assert all(mine is theirs for mine, theirs in zip(outcome.sent[1:], messages[1:], strict=True))
    assert frames(recorder, recorded(recorder, outcome)) == [EVENT, EVENT]


def test_the_head_differs_by_one_header_and_is_a_copy(recorder: Recorder):
    """`X-Trace-Id` is added to a copy; the app's own message and its list of headers stay as they were."""
    head = start(x_own="1") | {"trailers": True, "unknown": object()}
    before = list(head["headers"])
    outcome = run(TraceMiddleware(streams(head, END), recorder))
    assert head["headers"] == before
    assert outcome.sent[0]["headers"][:-1] == before
    assert outcome.sent[0]["headers"][-1][0] == b"x-trace-id"
    assert {**outcome.sent[0], "headers": None} == {**head, "headers": None}


def test_without_the_header_even_the_head_is_the_same_object(recorder: Recorder):
    """With `response_header=None` a recorded app cannot be told from one that is not."""
    head = start()
    outcome = run(TraceMiddleware(streams(head, body(EVENT), END), recorder, response_header=None))
    assert outcome.sent[0] is head


@pytest.mark.parametrize("content_type", ["text/html", "application/json", ""])
def test_a_response_that_is_no_stream_passes_as_it_is(recorder: Recorder, content_type: str):
    """What is not watched is not touched: the same head, the same bodies, no header."""
    messages = [start(content_type), body(b"<p>"), END]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    assert all(mine is theirs for mine, theirs in zip(outcome.sent, messages, strict=True))


@pytest.mark.parametrize("message", ODD, ids=lambda message: message["type"])
@pytest.mark.parametrize("content_type", ["text/event-stream", "text/html"])
def test_messages_of_extensions_pass_as_they_are(recorder: Recorder, message: dict[str, Any], content_type: str):
    """Early hints, debug information, files, trailers and what is not invented yet: the same objects."""
    messages = [start(content_type), message, body(EVENT), END, message]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    assert outcome.raised is None
    assert all(mine is theirs for mine, theirs in zip(outcome.sent[1:], messages[1:], strict=True))


def test_an_early_hint_may_come_before_the_head(recorder: Recorder):
    """Informational responses stand before the response; it is recorded all the same."""
    messages = [ODD[0], start(), body(EVENT), END]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    assert outcome.sent[0] is messages[0]
    assert (b"x-trace-id") in [name for name, _ in outcome.sent[1]["headers"]]


@pytest.mark.parametrize("make", [bytearray, memoryview, lambda data: memoryview(array.array("B", data))[::1]])
def test_a_buffer_that_the_app_reuses_is_recorded_as_it_was_sent(recorder: Recorder, make: Any):
    """A body may be a view of a buffer that is overwritten as soon as `send` returns."""
    buffer = bytearray(b"data: first\n\n")
    view = make(buffer)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(view))
        if isinstance(view, bytearray):
            view[:] = b"data: other\n\n"
        else:
            buffer[:] = b"data: other\n\n"
        await send(END)

    wire = Wire()
    sent_as: list[Any] = []

    async def send(message: Any) -> None:
        sent_as.append(message.get("body"))
        await Wire.send(wire, message)

    async def main() -> None:
        await TraceMiddleware(app, recorder)(http_scope(), wire.receive, send)

    asyncio.run(main())
    assert sent_as[1] is view
    trace_id = recorded(recorder, Outcome(wire.sent, None, 0, 0, 0, 0))
    assert stored_body(recorder, trace_id) == b"data: first\n\n"


@pytest.mark.parametrize("broken", [None, "text", 7, object()], ids=["none", "text", "number", "object"])
def test_a_body_that_is_no_bytes_is_the_servers_business(recorder: Recorder, broken: Any):
    """What the server would do with an app's mistake it does: the message arrives, and we raise nothing."""
    message = body(broken)
    outcome = run(TraceMiddleware(streams(start(), message, body(EVENT), END), recorder))
    assert outcome.raised is None
    assert outcome.sent[1] is message


def test_headers_that_can_be_read_only_once_reach_the_server(recorder: Recorder):
    """ASGI allows any iterable of headers, a generator too; looking at it must not use it up."""
    for content_type in (b"text/event-stream", b"text/html"):
        pairs = [(b"content-type", content_type), (b"x-own", b"1")]
        head = {"type": "http.response.start", "status": 200, "headers": iter(pairs)}
        outcome = run(TraceMiddleware(streams(head, END), recorder))
        assert list(outcome.sent[0]["headers"])[:2] == pairs


def test_a_head_without_headers_passes(recorder: Recorder):
    """`headers` may be left out of the head."""
    head = {"type": "http.response.start", "status": 204}
    outcome = run(TraceMiddleware(streams(head, END), recorder, include=["*"]))
    assert outcome.sent[0]["status"] == 204
    assert outcome.raised is None


def test_a_message_is_forwarded_before_it_is_noted(recorder: Recorder):
    """When the server gets a message, the record does not have it yet."""
    noted: list[int] = []

    async def main() -> None:
        wire = Wire([request()])

        async def send(message: Any) -> None:
            noted.append(len(scope["tracekit.trace"].entries))
            await wire.send(message)

        scope = http_scope()
        app = TraceMiddleware(streams(start(), body(EVENT), body(EVENT), END), recorder)
        await app(scope, wire.receive, send)

    asyncio.run(main())
    written(recorder)
    assert noted[1] <= 1
    assert noted[2] <= 2


def test_receive_is_only_called_when_the_app_calls_it(recorder: Recorder):
    """The middleware never reads on its own account: an app that reads nothing leaves everything to the server."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(EVENT))
        await send(END)

    assert run(TraceMiddleware(app, recorder), Wire([request()])).received == 0
    assert run(TraceMiddleware(streams(start(), END), recorder), Wire([request()])).received == 1


def test_what_receive_gives_is_the_servers_own_object(recorder: Recorder):
    """Request bodies, the disconnect and messages of a kind unknown reach the app as the server made them."""
    incoming = [request(b"{", more_body=True), {"type": "http.unknown"}, request(b"}"), {"type": "http.disconnect"}]
    got: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        got.extend([await receive() for _ in incoming])

    run(TraceMiddleware(app, recorder), Wire(incoming))
    assert all(mine is theirs for mine, theirs in zip(got, incoming, strict=True))


def test_no_task_and_no_thread_is_added_by_a_request(recorder: Recorder):
    """The app runs in the task that the server made for it, and nothing else runs beside it."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start())
        await send(body(EVENT))
        seen.append((asyncio.current_task(), len(asyncio.all_tasks()), threading.active_count()))
        await send(END)

    async def main() -> None:
        before = threading.active_count()
        await TraceMiddleware(app, recorder)(http_scope(), Wire().receive, Wire().send)
        assert seen == [(asyncio.current_task(), 1, before)]

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["websocket", "webtransport", "nobody.knows"])
def test_other_connections_than_http_are_left_alone(recorder: Recorder, kind: str):
    """The very scope, receive and send of the server reach the app."""
    got: list[Any] = []

    async def app(*arguments: Any) -> None:
        got.extend(arguments)

    wire = Wire()
    scope = {"type": kind}
    receive, send = wire.receive, wire.send
    asyncio.run(TraceMiddleware(app, recorder)(scope, receive, send))
    assert got[0] is scope
    assert (got[1], got[2]) == (receive, send)
    assert scope == {"type": kind}


def test_the_scope_gets_one_key_and_is_the_servers_object(recorder: Recorder):
    """Apps and outer layers write into the scope and read from it, so it is not copied."""
    scope = http_scope()
    before = dict(scope)
    got: list[Any] = []

    async def app(inner: Any, receive: Any, send: Any) -> None:
        got.append(inner)
        inner["user"] = "ann"
        await send(start())
        await send(END)

    outcome = asyncio.run(exchange(TraceMiddleware(app, recorder), Wire(), scope))
    assert got[0] is scope
    assert scope.pop("user") == "ann"
    assert scope.pop("tracekit.trace").trace_id == outcome.header("x-trace-id")
    assert scope == before


def test_mounted_twice_it_records_once(recorder: Recorder):
    """A second middleware around the same request stands aside."""
    app = TraceMiddleware(TraceMiddleware(streams(start(), body(EVENT), END), recorder), recorder)
    outcome = run(app)
    assert [name for name, _ in outcome.sent[0]["headers"]].count(b"x-trace-id") == 1
    assert event_types(recorder, recorded(recorder, outcome)).count("stream.frame") == 1


def test_an_app_that_breaks_the_protocol_is_told_so_by_the_server_alone(recorder: Recorder):
    """A second head, or a body after the last one, is forwarded; the record stays that of one response."""
    messages = [start(), body(EVENT), start(), END, body(EVENT), END]
    outcome = run(TraceMiddleware(streams(*messages), recorder))
    assert len(outcome.sent) == len(messages)
    trace_id = recorded(recorder, outcome)
    types = event_types(recorder, trace_id)
    assert [types.count(one) for one in ("response.started", "stream.frame", "trace.finished")] == [1, 1, 1]
    assert types[-1] == "trace.finished"


def test_a_scope_that_lacks_what_the_standard_asks_for_reaches_the_app(recorder: Recorder):
    """Hand-made scopes of old test clients leave keys out; recording them is not worth an error."""
    reached: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        reached.append(scope)

    for missing in ("method", "path", "headers", "client", "query_string"):
        scope = http_scope()
        del scope[missing]
        asyncio.run(TraceMiddleware(app, recorder)(scope, Wire().receive, Wire().send))
    assert len(reached) == 5


def test_a_file_that_the_server_sends_is_not_an_empty_answer(sqlite_url: str):
    """With `http.response.pathsend` the server reads the file itself; the record says that one was sent."""
    messages = [start("application/pdf"), {"type": "http.response.pathsend", "path": "/some/file"}]
    with recording(sqlite_url) as recorder:
        run(TraceMiddleware(streams(*messages), recorder, include=["*"]))
        trace = only_trace(recorder)
        assert trace.end_reason == "completed"
        assert "response.file_sent" in event_types(recorder, trace.trace_id)
