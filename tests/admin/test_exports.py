"""Exports over HTTP: the right bytes, a safe name, constant memory, and an end that is never silently early."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from admin_server import BEARER, TOKEN, Serve, recording_into, wait_until
from trace_rows import Frame, change_trace, cut_frame, frames, mixed, write_trace

from tracekit import Recorder, hookimpl
from tracekit.exporting import Exporter, ExportOptions
from tracekit.store import TraceStore
from tracekit.types import ItemKind
from tracekit_admin import Admin

MEGABYTE = 1024 * 1024


def export(admin: httpx.Client, trace_id: str, **query: str) -> httpx.Response:
    answer = admin.get(f"/api/task-trace/{trace_id}/export", params=query)
    assert answer.status_code == 200, answer.text
    return answer


def test_sse_is_the_body_byte_for_byte(admin: httpx.Client, recorder: Recorder) -> None:
    """Bytes that are no UTF-8, line ends of all kinds, keepalives: as they went over the wire."""
    parts = [b"\xef\xbb\xbfdata: 1\r\n\r\n", b"data: \xff\x00\n\n", b": ping\n\n", b"data: last, unfinished"]
    trace_id = write_trace(
        recorder.database, [parts[0], parts[1], Frame(parts[2], ItemKind.KEEPALIVE), Frame(parts[3], ItemKind.PARTIAL)]
    )
    answer = export(admin, trace_id, format="sse")
    assert answer.content == b"".join(parts)
    assert answer.headers["x-tracekit-exact"] == "true"


def test_an_export_is_saved_and_not_taken_for_a_live_stream(admin: httpx.Client, recorder: Recorder) -> None:
    """Neither a browser nor a middleware on the way shall follow it; its name cannot be more than a name."""
    trace_id = write_trace(recorder.database, frames(2), session_id='"; filename="../../evil.html\r\nSet-Cookie: a=b')
    types = {"sse": "application/octet-stream", "jsonl": "application/octet-stream", "txt": "text/plain; charset=utf-8"}
    for name, media_type in types.items():
        answer = export(admin, trace_id, format=name)
        assert answer.headers["content-type"] == media_type
        disposition = answer.headers["content-disposition"]
        assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', disposition)
        assert disposition == f'attachment; filename="tracekit-{trace_id}.{name}"'
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("missing", ["cut", "dropped", "deleted"])
def test_an_export_says_when_it_is_not_what_was_sent(admin: httpx.Client, recorder: Recorder, missing: str) -> None:
    """Cut, dropped or deleted: the bytes cannot be, and the header says so."""
    trace_id = write_trace(recorder.database, [cut_frame(b"x" * 100, 10)] if missing == "cut" else frames(2))
    columns = {"cut": {}, "dropped": {"events_dropped": 1}, "deleted": {"payloads_deleted": True}}
    if columns[missing]:
        change_trace(recorder.database, trace_id, **columns[missing])
    assert export(admin, trace_id, format="sse").headers["x-tracekit-exact"] == "false"


def test_text_is_for_people(admin: httpx.Client, recorder: Recorder) -> None:
    """UTF-8; frames folded, left out, or one by one."""
    trace_id = write_trace(recorder.database, mixed(30), texts={"prompt": "为什么?", "answer": "因为"})
    texts = {option: export(admin, trace_id, frames=option).text for option in ("none", "summary", "full")}
    assert all(trace_id in text and "为什么?" in text for text in texts.values())
    assert len(texts["none"]) < len(texts["summary"]) < len(texts["full"])
    assert export(admin, trace_id).text == texts["summary"]


def test_jsonl_holds_every_event(admin: httpx.Client, recorder: Recorder) -> None:
    """One JSON object a line."""
    trace_id = write_trace(recorder.database, mixed(50))
    lines = [json.loads(line) for line in export(admin, trace_id, format="jsonl").text.splitlines()]
    assert [line["seq"] for line in lines if line["kind"] == "event"] == [*range(1, 51)]


class Formats:
    """A plugin whose formats are as large, as slow or as broken as a test wants."""

    def __init__(self) -> None:
        self.made = 0
        self.closed = threading.Event()

    @hookimpl
    def tracekit_exporters(self) -> list[Exporter]:
        return [
            Exporter("endless", "text/html", "../x/../.HTML<script>", self.endless),
            Exporter("broken", "text/plain", ".txt", self.broken),
            Exporter("small", "text/plain", ".txt", self.small),
        ]

    def endless(self, store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
        try:
            while True:
                self.made += 1
                yield b"x" * MEGABYTE
        finally:
            self.closed.set()

    def broken(self, store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
        yield b"x" * MEGABYTE
        raise RuntimeError("in the middle")

    def small(self, store: TraceStore, trace_id: str, options: ExportOptions) -> Iterator[bytes]:
        yield from [b"%d\n" % number for number in range(100_000)]


@pytest.fixture
def formats() -> Formats:
    return Formats()


@pytest.fixture
def plugged(tmp_path: Path, formats: Formats, serve: Serve) -> Iterator[httpx.Client]:
    """A client of an admin with these formats, and one trace."""
    url = f"sqlite:///{tmp_path / 'plugged.db'}"
    with recording_into(url, admin_token=TOKEN, plugins=[formats]) as recorder:
        write_trace(recorder.database, trace_id="0" * 32)
        with httpx.Client(base_url=serve(Admin(recorder)), headers=BEARER, timeout=20) as client:
            yield client


def test_a_reader_that_leaves_ends_the_export(plugged: httpx.Client, formats: Formats) -> None:
    """What nobody reads is not made: a slow reader holds a few pieces in memory, and one that left none."""
    with plugged.stream("GET", f"/api/task-trace/{'0' * 32}/export?format=endless") as answer:
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert re.fullmatch(r'attachment; filename="[A-Za-z0-9._-]+"', answer.headers["content-disposition"])
        pieces = answer.iter_raw()
        next(pieces)
        wait_until(lambda: not _is_growing(formats))
        assert formats.made < 64
        assert not formats.closed.is_set()
    assert formats.closed.wait(10)


def _is_growing(formats: Formats) -> bool:
    before = formats.made
    threading.Event().wait(0.2)
    return formats.made > before


def test_an_export_that_fails_in_the_middle_does_not_look_whole(plugged: httpx.Client) -> None:
    """The connection ends before the body does, which every client notices."""
    with pytest.raises(httpx.RemoteProtocolError):
        plugged.get(f"/api/task-trace/{'0' * 32}/export?format=broken")


def test_small_pieces_come_whole(plugged: httpx.Client) -> None:
    """Pieces are gathered on the way, and none is lost."""
    answer = plugged.get(f"/api/task-trace/{'0' * 32}/export?format=small")
    assert answer.content == b"".join(b"%d\n" % number for number in range(100_000))


def test_an_unknown_format_names_those_there_are(plugged: httpx.Client) -> None:
    """Also the formats of plugins."""
    answer = plugged.get(f"/api/task-trace/{'0' * 32}/export?format=pdf")
    assert answer.status_code == 422
    assert all(name in answer.json()["detail"] for name in ("endless", "small", "txt", "jsonl", "sse"))
