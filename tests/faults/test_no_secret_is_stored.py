"""Secrets of 78 kinds go in by every way there is; then everything that tracekit leaves behind is searched for them.

The database file, the spool, a backup and the log as raw bytes; what stands compressed in there by its exports.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from admin_server import wait_until
from asgi import Wire, body, http_scope, request, run, start
from recorders import recording, traces, written
from redact_samples import FORMATS, SAMPLES, Sample, chunks

import tracekit
from tracekit import Recorder, TraceMiddleware, current_trace
from tracekit.exporting import ExportOptions
from tracekit.ingestion import Ingestion, ToldEnd, ToldTrace
from tracekit.store.backups import Backups
from tracekit.types import EndReason
from tracekit_admin.ingest_schemas import IngestEvent, IngestSpan

ENDING = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
CALL = '{"index":0,"id":"c1","type":"function","function":{"name":"fetch","arguments":%s}}'


def parts(text: str) -> list[str]:
    """A text in pieces of three characters."""
    return chunks(text, range(3, len(text), 3))


def frames(sample: Sample) -> Iterator[bytes]:
    """The secret in an answer, and in the arguments of a tool call, cut through in many places."""
    yield from map(FORMATS["openai"], ["", *parts(sample.text)])
    for piece in parts(json.dumps({"text": sample.text})):
        call = CALL % json.dumps(piece)
        yield f'data: {{"choices":[{{"index":0,"delta":{{"tool_calls":[{call}]}}}}]}}\n\n'.encode()
    yield ENDING


def chat(recorder: Recorder, sample: Sample) -> None:
    """A chat in which everybody gives the secret away."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send(start())
        trace = current_trace()
        trace.log("note", text=sample.text, nested={"list": [sample.text]})
        trace.annotate(session_id=sample.text)
        with tracekit.span("look up", layer="L1") as span:
            span.set_input({"said": sample.text})
            span.set_output(sample.text)
            span.set_status("blocked", reason=sample.text)
        for frame in frames(sample):
            await send(body(frame))
        raise RuntimeError(f"cannot go on: {sample.text}")

    said = json.dumps({"messages": [{"role": "user", "content": sample.text}], "metadata": {"note": sample.text}})
    headers = [
        (b"content-type", b"application/json"),
        (b"authorization", sample.text.encode()),
        (b"user-agent", sample.text.encode()),
    ]
    scope = http_scope(headers=headers, query=f"note={sample.text}".encode())
    outcome = run(TraceMiddleware(app, recorder), Wire([request(said.encode())]), scope)
    assert isinstance(outcome.raised, RuntimeError)


def tell(recorder: Recorder, sample: Sample) -> None:
    """Another program gives it away."""
    text = sample.text
    events = [IngestEvent(type="note", id=f"id {text}"[:128], phase=text[:128], payload={"text": text, "in": [text]})]
    spans = [IngestSpan(span_id="a" * 16, step_name=text[:256], input=text, output={"said": text}, error=text)]
    words = {"name": text[:256], "session_id": text[:256], "actor": text[:256]}
    trace = ToldTrace(
        words=words, metadata={"note": text}, events=events, spans=spans, end=ToldEnd(EndReason.APP_ERROR, error=text)
    )
    Ingestion(recorder.database, recorder.plugins, recorder.settings.current, "dev").take([trace])


def run_through(recorder: Recorder, samples: tuple[Sample, ...]) -> None:
    with recorder.trace("job", session_id="s") as trace:
        for sample in samples:
            trace.log("note", text=sample.text)
    for sample in samples:
        chat(recorder, sample)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with closing(sqlite3.connect(path, timeout=20, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        yield
        holder.execute("ROLLBACK")


def needles(sample: Sample) -> set[bytes]:
    """The secret as it may be written: as it is, or in JSON. Of a key of many lines, each line."""
    lines = [line for line in sample.secret.split("\n") if len(line) > 20 and "-----" not in line] or [sample.secret]
    spellings = {spelling for line in lines for spelling in (line, json.dumps(line)[1:-1])}
    return {spelling.encode() for spelling in spellings}


def assert_clean(where: str, content: bytes, samples: tuple[Sample, ...]) -> None:
    found = sorted({sample.name for sample in samples if any(needle in content for needle in needles(sample))})
    assert not found, (where, found)


def exports(recorder: Recorder) -> Iterator[tuple[str, bytes]]:
    for trace in traces(recorder):
        for name, exporter in recorder.plugins.exporters().items():
            pieces = exporter.write(recorder.store, trace.trace_id, ExportOptions("full"))
            yield f"{name} of {trace.path or trace.name}", b"".join(pieces)


def test_no_secret_is_found_in_anything_that_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether it was written at once, or waited in the spool."""
    monkeypatch.setattr("tracekit.writer._PATIENCE_S", 0.2)
    caplog.set_level(logging.DEBUG)
    path, spool = tmp_path / "tracekit.db", tmp_path / "spool"
    half = len(SAMPLES) // 2
    with recording(f"sqlite:///{path}", plugins_off="", spool_dir=spool) as recorder:
        run_through(recorder, SAMPLES[:half])
        for sample in SAMPLES:
            tell(recorder, sample)
        written(recorder)
        with locked(path):
            run_through(recorder, SAMPLES[half:])
            wait_until(lambda: recorder.health().writer.spooled_bytes > 0 and not recorder.budget.waiting, 30)
            time.sleep(0.3)
            assert [*spool.iterdir()]
            for file in spool.iterdir():
                assert_clean(file.name, file.read_bytes(), SAMPLES)
        wait_until(lambda: recorder.flush(1).complete, 30)
        found = dict(exports(recorder))
        backup = Backups(recorder.database).make(1)
        recorded = traces(recorder)
    assert len(recorded) == 2 + 2 * len(SAMPLES)
    assert {trace.payloads_redacted > 0 for trace in recorded} == {True}
    for where, content in found.items():
        assert_clean(where, content, SAMPLES)
    for file in (path, backup, *tmp_path.glob("tracekit.db-*")):
        assert_clean(file.name, file.read_bytes(), SAMPLES)
    assert_clean("the log", caplog.text.encode(), SAMPLES)
