"""Every recorded stream, through the whole pipeline with every plugin, however the app cuts it into messages."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from stream_corpus import RecordedStream, assert_as_expected, cases, recorded_streams

from tracekit.cli import run
from tracekit.plugins import PluginHost
from tracekit.store import EventRecord
from tracekit.testing import RecordedTrace, record_stream
from tracekit.transcript import StreamFailure, Summary, ToolCall

SMALL = 20_000

Chunks = Sequence[int] | Sequence[bytes] | None


def whole(body: bytes) -> Chunks:
    return None


def by_line(body: bytes) -> Chunks:
    return body.splitlines(keepends=True)


def by_byte(body: bytes) -> Chunks:
    """Each byte a message; of a long body the first bytes, where formats are recognised, and then odd pieces."""
    return [1] * min(len(body), SMALL) + [7] * (max(len(body) - SMALL, 0) // 7)


def in_crumbs(body: bytes) -> Chunks:
    """Pieces that are mostly shorter than a frame."""
    dice = random.Random(len(body))
    return [dice.randint(1, 40) for _ in range(len(body) // 20)]


def in_lumps(body: bytes) -> Chunks:
    """Pieces that hold several frames, the last of them cut."""
    dice = random.Random(len(body))
    return [dice.randint(1, 4_000) for _ in range(len(body) // 2_000)]


@cache
def unmasked_host() -> PluginHost:
    return PluginHost(off=["redact"])


def recorded(stream: RecordedStream, chunks: Chunks = None) -> RecordedTrace:
    return record_stream(stream.body, chunks=chunks, **stream.response)


@pytest.mark.parametrize("stream", cases())
@pytest.mark.parametrize("cut", [whole, by_line, by_byte, in_crumbs, in_lumps])
def test_a_recorded_stream_comes_out_as_expected(stream: RecordedStream, cut: Callable[[bytes], Chunks]) -> None:
    """Text, reasoning, calls, usage and ending are what an independent client found; no plugin fails on the stream."""
    trace = recorded(stream, cut(stream.body))
    assert_as_expected(trace.summary, stream.expected_as_sent)
    assert trace.faults == {}


@pytest.mark.parametrize("stream", cases())
def test_what_is_stored_of_a_recorded_stream_is_what_was_read(stream: RecordedStream) -> None:
    """No redactor takes a word of an ordinary answer for a secret; without them, each byte is in a frame."""
    trace = recorded(stream)
    read = trace.summary
    assert (trace.text, trace.reasoning, trace.error) == (read.text, read.reasoning, read.error)
    assert [call.arguments for call in trace.tool_calls] == [call.arguments for call in read.tool_calls]
    unmasked = record_stream(stream.body, plugins=unmasked_host(), **stream.response)
    assert b"".join(event.raw or b"" for event in unmasked.events) == stream.body
    assert [event.seq for event in trace.events] == list(range(1, len(trace.events) + 1))


@pytest.mark.parametrize("stream", cases())
def test_every_tool_call_of_a_recorded_stream_is_told_once(stream: RecordedStream) -> None:
    """The events of calls are those of the summary: each begins, has its arguments, and ends, in order."""
    trace = recorded(stream)
    answers = trace.summary.choices or [trace.summary]
    names = sorted(str(call.name) for answer in answers for call in answer.tool_calls)
    finished = {event.payload["id"] for event in trace.events_of("tool.finished") if event.payload}
    told = {
        "started": trace.events_of("tool.started"),
        "arguments": trace.events_of("tool.arguments"),
        # A call may fail and be answered all the same.
        "finished": [event for event in trace.events_of("tool.finished", "tool.failed") if ended_so(event, finished)],
    }
    for events in told.values():
        assert sorted(str(event.payload["name"]) for event in events if event.payload) == names
    assert trace.row["tool_calls"] == len(trace.summary.tool_calls)


def ended_so(event: EventRecord, finished: set[Any]) -> bool:
    assert event.payload is not None
    return event.event_type == "tool.finished" or event.payload["id"] not in finished


def test_the_command_line_decodes_the_whole_folder(capsys: pytest.CaptureFixture[str]) -> None:
    """`tracekit decode DIR --json` prints a line for each stream, in order, with what the stream says."""
    if not recorded_streams():
        pytest.skip("TRACEKIT_STREAMS names no folder with recorded streams")
    folder = recorded_streams()[0].path.parents[1]
    assert run(["decode", str(folder), "--json"]) == 0
    documents = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [document["file"] for document in documents]
    assert names == sorted(names)
    by_name = dict(zip(names, documents, strict=True))
    for stream in recorded_streams():
        assert_as_expected(summary_of(by_name[stream.entry["file"]]), only_decoded(stream.expected_as_sent))


def only_decoded(expected: Any) -> dict[str, Any]:
    """Of what is expected, the part that the command prints."""
    keys = ("text", "reasoning", "tool_calls", "usage", "finish_reason", "model", "error")
    printed = ("id", "name", "arguments")
    wanted = {key: expected[key] for key in keys if key in expected}
    if wanted.get("tool_calls"):
        wanted["tool_calls"] = [{key: call[key] for key in printed if key in call} for call in wanted["tool_calls"]]
    return wanted


def summary_of(document: dict[str, Any]) -> Summary:
    error = document["error"]
    return Summary(
        text=document["text"],
        reasoning=document["reasoning"],
        tool_calls=[ToolCall(**call) for call in document["tool_calls"]],
        usage=document["usage"],
        finish_reason=document["finish_reason"],
        model=document["model"],
        error=None if error is None else StreamFailure(error["message"], error.get("code")),
    )
