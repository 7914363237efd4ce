"""The text export: what a person reads in a ticket."""

from __future__ import annotations

import re

import pytest
from exports import HOSTILE, KEEPALIVE, a_chat, a_timeline, assert_safe_to_print, delta, section, text_of
from timed_traces import At, Single, write_timed_trace
from trace_rows import Frame, cut_frame

from tracekit import json_text
from tracekit.store import Database
from tracekit.types import Cut, EndReason, ItemKind


def test_the_head_says_every_fact_of_the_trace(database: Database) -> None:
    """Each column that is set stands in the head, exact, with the unit people use beside it."""
    text = text_of(
        database, write_timed_trace(database, a_timeline(), status="failed", end_reason="app_error", **a_chat())
    )
    head = text[: text.index("SUMMARY ─")]
    for value in (
        "FAILED: the app raised an error, after 13.3 s", "app_error", "UNEXPECTED_ERROR", "ValueError: no such page",
        "2023-11-14 22:13:20.000000 UTC", "13.300000 s (13.3 s)", "+0.512 345 s (512.3 ms)", "12.400000 s (12.4 s)",
        "s-42", "m-1", "c-1", "alice (admin)", "POST /api/chat", "192.0.2.7:5123", "200", "text/event-stream", "sse",
        "openai.chat", "gpt-4o-mini", "1,812", "120", "34", "98,765 B (98.8 KB)", f"00-{'a' * 32}-{'b' * 16}-01", "0.2",
        "13 seen, 13 stored, 0 dropped",
    ):  # fmt: skip
        assert value in head


def test_tokens_that_nobody_reported_are_not_zero(database: Database) -> None:
    """What the provider did not say is called so."""
    text = text_of(database, write_timed_trace(database, [At(0, b"data: x\n\n")]))
    assert "input tokens       not reported" in text
    assert "USAGE: not reported" in text


@pytest.mark.parametrize("reason", EndReason)
def test_every_ending_is_told_in_plain_words(reason: EndReason, database: Database) -> None:
    """The first line under the id says who ended it, without a word of the database."""
    trace_id = write_timed_trace(database, [At(0, b"x\n")], status=reason.status, end_reason=reason)
    verdict = text_of(database, trace_id).splitlines()[2]
    assert verdict.startswith(f"  {reason.status.upper()}: ")
    assert "_" not in verdict


def test_losses_are_stated_at_the_top_with_their_cause(database: Database) -> None:
    """Whoever reads a record that is not whole reads that first."""
    lost = Single("trace.truncated", {"reason": "buffer_full", "messages": 3, "bytes": 1200})
    trace_id = write_timed_trace(
        database, [At(0, cut_frame(b"data: " + b"x" * 500, 100)), At(1, lost)],
        events_dropped=3, bytes_dropped=1200, payloads_redacted=2,
    )  # fmt: skip
    top = text_of(database, trace_id).splitlines()[4:8]
    assert "  ! 3 events (1.2 KB) were not stored: buffer full" in top
    assert any("1 payload was cut" in line for line in top)
    assert any("redaction changed 2 payloads" in line for line in top)


def test_a_trace_that_lost_nothing_states_no_loss(database: Database) -> None:
    """No warning stands where there is nothing to warn of."""
    assert "  ! " not in text_of(database, write_timed_trace(database, a_timeline()))


def test_the_summary_tells_the_turning_points_in_order_of_time(database: Database) -> None:
    """First-times, silences, tool calls, errors and the end, and none of the frames."""
    lines = section(text_of(database, write_timed_trace(database, a_timeline(), **a_chat())), "SUMMARY")
    told = [
        *("response started", "first byte, first frame", "first frame delivered", "first content", "tool call begins"),
        *("tool call done", "end of 12.4 s of silence with 2 keepalives", "error: ValueError: no such page", "ended"),
    ]
    assert len(lines) == len(told)
    assert [word for word, line in zip(told, lines, strict=True) if word not in line] == []
    assert [line[:13] for line in lines] == sorted(line[:13] for line in lines)


def test_the_conversation_reads_like_a_chat(database: Database) -> None:
    """Prompt, reasoning, answer, each tool call with arguments and result, and the usage."""
    trace_id = write_timed_trace(
        database, a_timeline(), **a_chat(),
        texts={"prompt": "When was it\nreleased?", "reasoning": "I look it up.", "answer": "In May."},
    )  # fmt: skip
    lines = section(text_of(database, trace_id), "CONVERSATION")
    assert [line.strip() for line in lines if line.strip()] == [
        "PROMPT", "│ When was it", "│ released?", "REASONING", "│ I look it up.", "ANSWER", "│ In May.",
        "TOOL CALL 1: web_search (call_1) at +0.700 000 s, took 1 µs", '│ arguments  {"q":"release date"}',
        '│ result     {"hits":["https://example.org/a","https://example.org/b"]}', "USAGE: 1,812 in, 120 out (tokens)",
    ]  # fmt: skip


def test_an_error_is_shown_with_its_traceback(database: Database) -> None:
    """A ticket needs the place where it broke."""
    lines = section(text_of(database, write_timed_trace(database, a_timeline())), "ERRORS")
    assert lines[1:] == ["  error at +13.200 000 s", "  │ Traceback", "  │   in f"]


def test_runs_of_frames_are_folded_into_one_line(database: Database) -> None:
    """The count, the bytes, the time and the first words of a run stand in one line; other events part runs."""
    lines = section(text_of(database, write_timed_trace(database, a_timeline(), framing="sse")), "TIMELINE")
    size = len(delta("Hello ") + delta("world, "))
    assert re.fullmatch(rf" \+0\.500 000 s +3  stream\.frame ×2 +{size} B in 100\.0 ms  “Hello world, ”", lines[2])
    kinds = [line.split()[4] for line in lines]
    assert kinds.count("stream.frame") == 2
    assert kinds.count("stream.keepalive") == 1


def test_every_frame_has_its_line_in_full(database: Database) -> None:
    """One line an event, numbered without a gap."""
    lines = section(text_of(database, write_timed_trace(database, a_timeline()), "full"), "TIMELINE")
    numbered = [line.split() for line in lines if "· · ·" not in line]
    assert [int(words[3]) for words in numbered] == list(range(1, len(a_timeline()) + 1))


def test_frames_are_left_out_where_asked(database: Database) -> None:
    """Without frames only what they mean is left, and the silences between them."""
    lines = section(text_of(database, write_timed_trace(database, a_timeline()), "none"), "TIMELINE")
    assert not any("stream.frame" in line or "stream.keepalive" in line for line in lines)
    assert any("12.4 s of silence with 2 keepalives" in line for line in lines)


def test_a_silence_longer_than_a_second_is_a_line_of_its_own(database: Database) -> None:
    """A pause stands where it ended, with the keepalives that fell into it; a shorter one is none."""
    timeline = [At(0, b"data: 1\n\n"), At(0.9, b"data: 2\n\n"), At(2, KEEPALIVE), At(3, b"data: 3\n\n")]
    lines = section(text_of(database, write_timed_trace(database, timeline)), "TIMELINE")
    assert [line.strip(" ·") for line in lines if "silence" in line] == ["2.10 s of silence with 1 keepalive"]
    assert "silence" in lines[2]


def test_cut_redacted_and_unfinished_frames_say_so(database: Database) -> None:
    """Bytes that are not what was sent are never shown as if they were."""
    timeline = [
        At(0, cut_frame(b"data: " + b"x" * 70_000, 60)),
        At(0.1, Frame(b"data: [masked]\n\n", cut=Cut(40, None))),
        At(0.2, Frame(b"data: half", ItemKind.PARTIAL)),
    ]
    lines = section(text_of(database, write_timed_trace(database, timeline), "full"), "TIMELINE")
    assert "60 B of 70,006 B [cut]" in lines[0]
    assert "16 B of 40 B [redacted]" in lines[1]
    assert "[stream ended inside this frame]" in lines[2]


def test_a_long_name_cannot_forge_a_line_by_being_wrapped(database: Database) -> None:
    """Where recorded words are continued on a further line, that line does not begin as ours do."""
    forged = f"{'x' * 70} PROMPT {'y' * 95}"
    call = Single("tool.started", {"id": "1", "name": forged})
    trace_id = write_timed_trace(database, [At(0, call)], session_id=forged, end_reason=forged)
    assert_safe_to_print(text_of(database, trace_id))


def test_nothing_recorded_can_move_the_cursor_or_forge_a_line(database: Database) -> None:
    """Escape sequences, overrides and line ends in every field come out as text inside their own line."""
    payload = {HOSTILE: HOSTILE, "id": HOSTILE, "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}, "result": HOSTILE}
    text_columns = (
        "name",
        "session_id",
        "actor",
        "path",
        "model",
        "error",
        "content_type",
        "end_reason",
        "wire_format",
    )
    stored = HOSTILE.replace("\x00", "")
    trace_id = write_timed_trace(
        database,
        [
            At(0, HOSTILE.encode() + b"\xff\xfe\n\n"),
            *(At(0, Single(kind, payload)) for kind in ("tool.started", "tool.finished", "error", "log", stored)),
        ],
        texts=dict.fromkeys(("prompt", "answer", "reasoning"), stored),
        **dict.fromkeys(text_columns, stored),
        metadata=json_text.encode({HOSTILE: HOSTILE}),
        usage=json_text.encode({HOSTILE: HOSTILE}),
    )
    for frames in ("none", "summary", "full"):
        assert_safe_to_print(text_of(database, trace_id, frames))
