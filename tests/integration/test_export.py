"""Exports that programs read, and what holds for all formats."""

from __future__ import annotations

import base64
import json
import shutil
import tracemalloc
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from asgi import END, Wire, body, http_scope, request, run, start, streams
from exports import HOSTILE, a_chat, a_timeline, assert_safe_to_print, delta, exported, is_harmless, section, text_of
from hypothesis import given, settings
from hypothesis import strategies as st
from recorders import only_trace, recording
from timed_traces import At, Single, write_timed_trace
from trace_rows import Frame, cut_frame, write_trace

from tracekit import TraceMiddleware, json_text
from tracekit.errors import NotFound
from tracekit.exporting import ExportOptions, FrameDetail
from tracekit.plugins import PluginHost
from tracekit.store import Database, TraceRecord, TraceStore
from tracekit.store.blocks import Message
from tracekit.types import ItemKind


@pytest.fixture(scope="module")
def shared_database(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One SQLite file for all examples of a property."""
    file = tmp_path_factory.mktemp("export") / "tracekit.db"
    shutil.copyfile(sqlite_template, file)
    database = Database(f"sqlite:///{file}")
    yield database
    database.close()


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
PAYLOAD_KEYS = st.text(max_size=8) | st.sampled_from(
    [
        *("arguments", "beginning", "bytes", "cut", "duration_us", "end_reason", "error", "events", "id", "length"),
        *(
            "message",
            "messages",
            "method",
            "name",
            "path",
            "reason",
            "result",
            "sha256",
            "silence_us",
            "traceback",
            "type",
        ),
    ]
)
EVENT_TYPES = st.sampled_from(
    [
        *("request.received", "response.started", "tool.started", "tool.arguments", "tool.finished", "tool.failed"),
        *("error", "stream.error", "stream.idle", "stream.resumed", "trace.truncated", "trace.finished", "my.own"),
    ]
)
MOMENTS = st.binary(min_size=1, max_size=60) | st.builds(
    Single, EVENT_TYPES, st.none() | st.dictionaries(PAYLOAD_KEYS, JSON_VALUES, max_size=6)
)
TIMELINES = st.lists(st.builds(At, st.floats(0, 1e5), MOMENTS), max_size=12)


@settings(max_examples=40)
@given(
    timeline=TIMELINES,
    framing=st.sampled_from(["sse", "ndjson", "whole", None]),
    frames=st.sampled_from(["summary", "full"]),
)
def test_any_trace_can_be_exported(
    shared_database: Database, timeline: list[At], framing: str | None, frames: FrameDetail
) -> None:
    """Whatever types stand in payloads and whatever bytes in frames, all formats are written and the text is safe."""
    trace_id = write_timed_trace(shared_database, timeline, framing=framing, events_dropped=1)
    text = text_of(shared_database, trace_id, frames)
    assert_safe_to_print(text)
    lines = [json_text.decode(line) for line in exported(shared_database, trace_id, "jsonl").splitlines()]
    assert lines[-1]["events"] == len(timeline)


def bytes_of(payload: dict[str, Any]) -> bytes | None:
    """The bytes of a frame as the documents hold them."""
    if "base64" in payload:
        return base64.b64decode(payload["base64"])
    return payload["text"].encode() if "text" in payload else None


def test_the_jsonl_export_holds_every_column_and_every_event(database: Database) -> None:
    """What the store knows of a trace stands in the lines: columns, texts, and events with payloads and exact bytes."""
    timeline = [
        *a_timeline(),
        At(14, b"\xff\x00\xfe"),
        At(14.1, cut_frame(b"y" * 900, 50)),
        At(14.2, Frame(b"h", ItemKind.PARTIAL)),
    ]
    texts = {"prompt": "p", "answer": "a\u202e", "reasoning": "r"}
    trace_id = write_timed_trace(database, timeline, texts=texts, **a_chat())
    head, *lines = [json.loads(line) for line in exported(database, trace_id, "jsonl").decode().splitlines()]
    record = TraceStore(database).get(trace_id)

    assert head.pop("kind") == "trace"
    assert head.pop("format_version") == 1
    times = {"started_at": "2023-11-14T22:13:20.000000Z", "ended_at": "2023-11-14T22:13:34.200000Z"}
    assert head == {field.name: getattr(record, field.name) for field in fields(TraceRecord)} | times | {
        "last_event_at": times["ended_at"]
    }
    assert {line["text_kind"]: line["text"] for line in lines if line["kind"] == "text"} == texts
    events = [line for line in lines if line["kind"] == "event"]
    for told, event in zip(events, TraceStore(database).iterate_events(trace_id), strict=True):
        assert (told["seq"], told["event_type"], told["offset_us"]) == (event.seq, event.event_type, event.offset_us)
        payload = told["payload"] or {}
        assert bytes_of(payload) == event.raw
        assert payload.get("cut") == (event.cut._asdict() if event.cut else None)
        assert (event.payload or {}).items() <= payload.items()
    assert lines[-1] == {"kind": "end", "events": len(timeline), "exact": False}


def test_the_jsonl_export_is_safe_to_print(database: Database) -> None:
    """Its lines hold nothing that a terminal obeys, and mean what was recorded."""
    trace_id = write_timed_trace(database, [At(0, Single("log", {"said": HOSTILE})), At(0, HOSTILE.encode())])
    document = exported(database, trace_id, "jsonl").decode()
    assert all(map(is_harmless, document.removesuffix("\n").split("\n")))
    events = [line for line in map(json.loads, document.splitlines()) if line["kind"] == "event"]
    assert (events[0]["payload"]["said"], events[1]["payload"]["text"]) == (HOSTILE, HOSTILE)


def test_the_jsonl_export_keeps_how_the_app_cut_the_body(database: Database) -> None:
    """Body messages are told with their size and time, so that a replay can send them alike."""
    frames = [At(0.1, b"data: 1\n\n"), At(0.2, b"data: 2\n\n")]
    trace_id = write_timed_trace(database, frames, messages=[[Message(5, 100_000), Message(13, 200_000)]])
    lines = [json.loads(line) for line in exported(database, trace_id, "jsonl").splitlines()]
    assert [line["messages"] for line in lines if line["kind"] == "messages"] == [[[5, 100_000], [13, 200_000]]]


def test_the_exports_of_a_compressed_response_keep_its_bytes(database: Database) -> None:
    """What went over the wire stands beside what it meant."""
    wire = b"\x1f\x8b compressed \xff"
    trace_id = write_timed_trace(
        database, [At(0.1, b"data: 1\n\n")],
        messages=[[Message(len(wire), 100_000)]], wires=[wire], content_encoding="gzip",
    )  # fmt: skip
    lines = [json.loads(line) for line in exported(database, trace_id, "jsonl").splitlines()]
    told = [line["base64"] for line in lines if line["kind"] == "messages"]
    assert [base64.b64decode(body) for bodies in told for body in bodies] == [wire]
    assert exported(database, trace_id, "sse") == wire


@settings(max_examples=40)
@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=30))
def test_the_sse_export_is_the_body(shared_database: Database, frames: list[bytes]) -> None:
    """Byte for byte, whatever the bytes are."""
    trace_id = write_trace(shared_database, frames)
    assert exported(shared_database, trace_id, "sse") == b"".join(frames)


@pytest.mark.parametrize("name", ["txt", "jsonl", "sse"])
def test_a_trace_that_does_not_exist_is_not_found_before_the_first_piece(name: str, database: Database) -> None:
    """A server can still answer 404."""
    with pytest.raises(NotFound):
        exported(database, "0" * 32, name)


@pytest.mark.parametrize("name", ["txt", "jsonl", "sse"])
def test_an_export_takes_little_memory_however_long_the_trace(name: str, shared_database: Database) -> None:
    """Thirty megabytes of frames pass through less than half of that."""
    frame = delta("word " * 200)
    trace_id = write_trace(shared_database, [frame] * 30_000, frames_per_block=256)
    exporter = PluginHost.load().exporters()[name]
    tracemalloc.start()
    for _ in exporter.write(TraceStore(shared_database), trace_id, ExportOptions("summary")):
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30_000 * len(frame) // 2


def test_a_recorded_chat_is_exported_as_it_was_streamed(sqlite_url: str) -> None:
    """From the app through the middleware and the writer to all three documents."""
    call = {
        "index": 0,
        "id": "call_1",
        "type": "function",
        "function": {"name": "web_search", "arguments": '{"q":"x"}'},
    }
    parts = [{"delta": {"content": "Hello "}}, {"delta": {"content": "world"}}, {"delta": {"tool_calls": [call]}},
             {"delta": {}, "finish_reason": "tool_calls"}]  # fmt: skip
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    sent = [f"data: {json.dumps(chunk | {'choices': [{'index': 0, **part}]})}\n\n".encode() for part in parts]
    sent.append(b"data: [DONE]\n\n")
    asked = json.dumps({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Greet me"}]}).encode()
    with recording(sqlite_url) as recorder:
        app = TraceMiddleware(streams(start(), *map(body, sent), END), recorder)
        json_head = http_scope(headers=[(b"content-type", b"application/json")])
        outcome = run(app, Wire([request(asked)]), json_head)
        trace = only_trace(recorder)
        text = text_of(recorder.database, trace.trace_id)
        wire = exported(recorder.database, trace.trace_id, "sse")
        last = json.loads(exported(recorder.database, trace.trace_id, "jsonl").splitlines()[-1])

    assert outcome.header("x-trace-id") == trace.trace_id
    assert wire == b"".join(sent)
    assert (last["kind"], last["exact"], last["events"]) == ("end", True, trace.events_stored)
    conversation = "\n".join(section(text, "CONVERSATION"))
    for told in ("│ Hello world", "TOOL CALL 1: web_search (call_1)", '│ arguments  {"q":"x"}'):
        assert told in conversation
    assert "COMPLETED: the app finished its answer" in text
    assert_safe_to_print(text)
