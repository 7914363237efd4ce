"""`tracekit list`, `show` and `export`: what was recorded, for people and for scripts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from command_line import on, tracekit_on_terminal, url_of
from exports import HOSTILE, a_chat, a_timeline, is_harmless
from timed_traces import At, Single, write_timed_trace
from trace_rows import START, write_trace

from tracekit import json_text
from tracekit.store import Database
from tracekit.terminal_text import width

NO_ID = "0" * 32
DAY_US = 86_400 * 1_000_000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def a_failed_chat(database: Database) -> str:
    texts = {"prompt": "When?", "answer": "In May.", "reasoning": "One.\nTwo.\nThree.\nFour.\nFive."}
    return write_timed_trace(
        database, a_timeline(), texts=texts, status="failed", end_reason="app_error", prompt_preview="When?", **a_chat()
    )


def plain(text: str) -> str:
    """What a terminal shows, without its colours."""
    return _COLOUR.sub("", text)


def test_list_prints_one_plain_record_a_line(database: Database) -> None:
    """In a pipe `cut` finds each field in its place, the newest trace first."""
    older = write_trace(database, [b"data: 1\n\n"], session_id="s-1")
    newer = a_failed_chat(database)
    done = on(database, "list")
    assert (done.status, done.err) == (0, "")
    assert [record[0] for record in done.records] == [newer, older]
    assert done.records[0][1:6] == ["2023-11-14T22:13:20.000000Z", "failed", "app_error", "13300", "612000"]
    assert {len(record) for record in done.records} == {15}


def test_list_prints_every_column_as_json(database: Database) -> None:
    """One object a line, with the names of the columns."""
    trace_id = a_failed_chat(database)
    (line,) = on(database, "list", "--json").out.splitlines()
    document = json.loads(line)
    assert (document["trace_id"], document["usage"]["reasoning_tokens"]) == (trace_id, 34)
    assert document["started_at"] == "2023-11-14T22:13:20.000000Z"


def test_list_filters_by_what_is_given(sqlite: Database) -> None:
    """Session, status, ending, time and words in the text narrow the list; the limit cuts it."""
    chat = a_failed_chat(sqlite)
    others = [write_trace(sqlite, session_id="other", started_at=START + DAY_US * n) for n in (1, 2)]
    for options in (["--session", "s-42"], ["--status", "failed"], ["--end-reason", "app_error"], ["-k", "in may"],
                    ["--until", "2023-11-15T00:00"], ["--actor", "alice"], ["--model", "gpt-4o-mini"]):  # fmt: skip
        assert [record[0] for record in on(sqlite, "list", *options).records] == [chat], options
    assert [record[0] for record in on(sqlite, "list", "--since", "2023-11-15").records] == others[::-1]
    assert [record[0] for record in on(sqlite, "list", "-n", "1").records] == others[-1:]
    assert on(sqlite, "list", "--since", "1h").out == ""


def test_hostile_fields_stay_in_their_field(sqlite: Database) -> None:
    """A tab, a line end or an escape in a recorded field makes no further field, line or colour."""
    write_trace(sqlite, [b"x"], session_id=f"a\tb{HOSTILE}".replace("\0", ""), prompt_preview="p\nq", model="\x1b[31m")
    done = on(sqlite, "list")
    assert len(done.records) == 1
    assert len(done.records[0]) == 15
    assert is_harmless(done.out.replace("\t", "").removesuffix("\n"))
    assert all(map(is_harmless, on(sqlite, "list", "--json").out.splitlines()))


def test_a_field_is_no_formula_to_a_spreadsheet(sqlite: Database) -> None:
    """What begins like a formula is marked as text; numbers and the JSON form stay exact."""
    write_trace(sqlite, [b"x"], prompt_preview="=1+1", session_id="@s", model="-m", actor="+a", duration_ms=-5)
    (record,) = on(sqlite, "list").records
    assert (record[4], record[9], record[11], record[12], record[14]) == ("-5", "'-m", "'@s", "'+a", "'=1+1")
    assert json.loads(on(sqlite, "list", "--json").out)["prompt_preview"] == "=1+1"


def test_an_empty_list_says_why_it_is_empty(sqlite: Database) -> None:
    """Recording is off, nothing came yet, or nothing matches: each has another next step. A pipe gets no word."""

    def told(*options: str) -> str:
        return tracekit_on_terminal("list", *options, TRACEKIT_DATABASE_URL=url_of(sqlite)).out

    assert "tracekit settings set enabled=true" in told()
    on(sqlite, "settings", "set", "enabled=true")
    assert told() == "nothing is recorded yet\n"
    assert told("--session", "x") == "no trace matches\n"
    assert on(sqlite, "list").out == ""


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_a_table_fits_the_terminal_and_shows_whole_ids(columns: int, sqlite: Database) -> None:
    """On a terminal there are colours and headings, and the id can be copied however narrow it is."""
    trace_id = a_failed_chat(sqlite)
    done = tracekit_on_terminal("list", columns=columns, TRACEKIT_DATABASE_URL=url_of(sqlite))
    assert done.status == 0
    assert "\x1b[" in done.out
    assert trace_id in plain(done.out)
    assert "app error" in plain(done.out)
    assert max(map(width, plain(done.out).splitlines())) <= columns


def test_show_prints_the_conversation_as_a_person_reads_it(database: Database) -> None:
    """Head, prompt, folded reasoning, answer, tool call with arguments and result, usage, ending; in that order."""
    trace_id = a_failed_chat(database)
    done = on(database, "show", trace_id)
    assert done.status == 0
    told = [
        f"Trace {trace_id}", "failed: the app raised an error after 13.3 s", "first content 612.0 ms",
        "POST /api/chat · dev · session s-42 · alice", "Prompt\n│ When?", "Reasoning\n│ One.\n│ Two.\n│ Three.",
        "(2 more lines: --reasoning shows all)", "Answer\n│ In May.", "Tool call web_search · call_1",
        '│ arguments {"q":"release date"}', "│ result    {", "Usage   1,812 in, 120 out tokens · reasoning tokens 34",
        "Ended   the app raised an error · UNEXPECTED_ERROR · finish reason stop", "Error   ValueError: no such page",
    ]  # fmt: skip
    places = [done.out.find(words) for words in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert "│ Five." in on(database, "show", trace_id, "--reasoning").out


def test_show_last_is_the_newest_trace(sqlite: Database) -> None:
    """Who has just tried something need not copy an id; capitals and dashes in one do not matter."""
    write_trace(sqlite, [b"x"])
    newest = a_failed_chat(sqlite)
    written = f"{newest[:8]}-{newest[8:]}".upper()
    assert on(sqlite, "show", "last").out == on(sqlite, "show", written).out
    assert f"Trace {newest}" in on(sqlite, "show", "last").out


def test_show_gives_scripts_the_same_as_one_object(sqlite: Database) -> None:
    """`--json` holds the trace, its texts and its tool calls."""
    document = json.loads(on(sqlite, "show", a_failed_chat(sqlite), "--json").out)
    assert (document["trace"]["model"], document["answer"]) == ("gpt-4o-mini", "In May.")
    assert [call["name"] for call in document["tool_calls"]] == ["web_search"]


def test_a_hostile_conversation_cannot_harm_the_terminal(sqlite: Database) -> None:
    """On a terminal the only escape sequences are our own colours, and no line outgrows the screen."""
    stored = HOSTILE.replace("\0", "")
    call = Single("tool.finished", {"id": HOSTILE, "name": HOSTILE, "arguments": {HOSTILE: HOSTILE}, "result": HOSTILE})
    forged = f"{stored} {'x' * 60} Prompt {'y' * 85}"
    fields = dict.fromkeys(("session_id", "actor", "model", "path", "error", "end_reason", "finish_reason"), forged)
    texts = dict.fromkeys(("prompt", "answer", "reasoning"), stored * 5)
    write_timed_trace(
        sqlite, [At(0, call)], texts=texts, usage=json_text.encode({HOSTILE: 1}), input_tokens=1, **fields
    )
    done = tracekit_on_terminal("show", "last", "--reasoning", columns=90, TRACEKIT_DATABASE_URL=url_of(sqlite))
    assert done.status == 0
    lines = plain(done.out).removesuffix("\n").split("\n")
    assert all(map(is_harmless, lines))
    assert max(map(width, lines)) <= 90
    assert sum(line.startswith("Prompt") for line in lines) == 1


@pytest.mark.parametrize("name", ["txt", "jsonl", "sse"])
def test_export_writes_to_a_pipe_or_a_file(name: str, database: Database, tmp_path: Path) -> None:
    """The same bytes either way; into a folder under the trace's id, and nothing half-written is left."""
    frames = [b"data: 1\n\n", b"data: \xff\n\n"]
    trace_id = write_trace(database, frames, framing="sse")
    piped = on(database, "export", trace_id, "-f", name)
    assert on(database, "export", trace_id, "--format", name, "--output", str(tmp_path)).status == 0
    assert (tmp_path / f"{trace_id}.{name}").read_bytes() == piped.raw
    assert list(tmp_path.glob("*.part")) == []
    if name == "sse":
        assert piped.raw == b"".join(frames)


def test_export_says_when_bytes_are_missing(sqlite: Database) -> None:
    """Whoever replays the bytes is told that they are not all there."""
    trace_id = write_trace(sqlite, [b"data: 1\n\n"], events_dropped=2)
    assert "not every byte that was sent is stored" in on(sqlite, "export", trace_id, "-f", "sse").err


def test_raw_bytes_are_not_written_to_a_terminal(sqlite: Database) -> None:
    """They may hold what a terminal obeys."""
    trace_id = write_trace(sqlite, [b"data: \x1b[2J\n\n"])
    done = tracekit_on_terminal("export", trace_id, "-f", "sse", TRACEKIT_DATABASE_URL=url_of(sqlite))
    assert done.status == 2
    assert "\x1b[2J" not in done.out


def test_frames_can_be_folded_shown_or_left_out(sqlite: Database) -> None:
    """`--frames` decides how many lines a run of frames takes."""
    trace_id = write_trace(sqlite, [b"data: %d\n\n" % n for n in range(20)], framing="sse")
    taken = {frames: on(sqlite, "export", trace_id, "--frames", frames).out.count("stream.frame")
             for frames in ("none", "summary", "full")}  # fmt: skip
    assert taken == {"none": 0, "summary": 1, "full": 20}
