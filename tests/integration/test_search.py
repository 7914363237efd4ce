"""Searching traces by a keyword."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trace_rows import frames, write_trace

from tracekit.store import Database, TraceFilter, TraceStore


@pytest.fixture
def store(database: Database) -> TraceStore:
    return TraceStore(database)


def found(store: TraceStore, keyword: str, **conditions: Any) -> list[str]:
    """The ids of the traces that a keyword finds, newest first."""
    return [item.trace_id for item in store.list_traces(TraceFilter(keyword=keyword, **conditions)).items]


@pytest.mark.parametrize("kind", ["prompt", "answer"])
@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        ("What is the weather in Paris?", "weather"),
        ("What is the weather in Paris?", "WEATHER in p"),
        ("今天天气怎么样？", "天气"),
        ("今天天气怎么样？", "今"),
        ("Die STRASSE ist naß", "straße"),
        ("Die STRASSE ist naß", "NASS"),
        ("ΜΕΓΑΛΗ Οδύσσεια", "μεγ"),
        ("Überraschung", "ÜBER"),
        ("Привет, мир", "ПРИВЕТ"),
        ("emoji 🎉 here", "🎉"),
        ("line one\nline two", "one\nline"),
        ("100% of it", "0% o"),
        ("snake_case_name", "e_c"),
        ("back\\slash", "k\\s"),
        ("a/b", "a/b"),
        ("quote ' and \" quote", "' and \""),
    ],
)
def test_a_keyword_is_found_in_what_was_said(database: Database, store: TraceStore, kind: str, text: str, keyword: str):
    """In prompt and answer, in any language, in upper and lower case, however short."""
    wanted = write_trace(database, texts={kind: text})
    write_trace(database, texts={kind: "something else entirely"})
    assert found(store, keyword) == [wanted]


@pytest.mark.parametrize("column", ["session_id", "message_id", "client_message_id", "path"])
@pytest.mark.parametrize(
    ("value", "keyword"),
    [
        ("/api/Chat/Stream", "chat/st"),
        ("/größe/ÄRGER", "GRÖ"),
        ("/größe/ÄRGER", "ärger"),
        ("/größe/ärger", "Größe/Ä"),
        ("会话-42", "会话"),
        ("a*b?c[d]e", "*B?c[D]"),
        ("x^y{2}(z)|$.+", "^Y{2}(Z)|$.+"),
        ("50%_of\\it", "0%_OF\\i"),
        ("tab\tnew\nline #-~ &", "\tNEW\nline #-~ &"),
    ],
)
def test_a_keyword_is_found_in_ids_and_paths(
    database: Database, store: TraceStore, column: str, value: str, keyword: str
):
    """Every character stands for itself, and letters of any alphabet match in any case."""
    wanted = write_trace(database, **{column: value})
    write_trace(database, **{column: "/other"})
    assert found(store, keyword) == [wanted]


@pytest.mark.parametrize(
    "keyword", ["%", "_", "a%c", "a_c", "*", "?", "[a]", "[^x]", ".", "a.c", "a|b", "\\w", "^", "$"]
)
def test_characters_of_patterns_stand_for_themselves(database: Database, store: TraceStore, keyword: str):
    """A keyword is text, whatever language of patterns the database speaks."""
    write_trace(database, session_id="abc", path="/abc", texts={"prompt": "abc", "answer": "abc"})
    assert found(store, keyword) == []
    wanted = write_trace(database, path=f"/{keyword}/")
    said = write_trace(database, texts={"answer": f"x{keyword}x"})
    assert found(store, keyword) == [said, wanted]


def test_a_trace_is_found_by_its_id_as_people_write_it(database: Database, store: TraceStore):
    """Whole or in part, with dashes or without, in capitals or not."""
    trace_id = write_trace(database)
    write_trace(database, trace_id="f" * 32)
    dashed = f"{trace_id[:8]}-{trace_id[8:12]}-{trace_id[12:16]}-{trace_id[16:20]}-{trace_id[20:]}"
    for written in (trace_id, trace_id[:13], trace_id[20:].upper(), dashed, dashed.upper()):
        assert found(store, written) == [trace_id]


def test_reasoning_and_frames_are_not_searched(database: Database, store: TraceStore):
    """A keyword looks where people look: in the prompt and in the answer."""
    write_trace(database, frames(1), texts={"reasoning": "secretly"})
    assert found(store, "secretly") == []
    assert found(store, "data:") == []


def test_a_keyword_narrows_other_conditions_page_by_page(database: Database, store: TraceStore):
    """It goes together with filters and with cursors."""
    wanted = [
        write_trace(database, session_id="s", status=status, texts={"answer": f"needle {number}"})
        for number, status in enumerate(["failed", "completed", "failed", "failed"])
    ]
    write_trace(database, session_id="s", status="failed", texts={"answer": "hay"})
    filter = TraceFilter(keyword=" Needle ", session="s", status="failed")
    first = store.list_traces(filter, limit=2)
    second = store.list_traces(filter, limit=2, cursor=first.next_cursor)
    assert [item.trace_id for item in (*first.items, *second.items)] == [wanted[i] for i in (3, 2, 0)]
    assert second.next_cursor is None


def test_an_empty_keyword_is_no_condition(database: Database, store: TraceStore):
    """A search box that holds blanks shows everything."""
    trace_id = write_trace(database)
    assert found(store, "") == found(store, "  ") == [trace_id]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=20))
def test_any_text_finds_itself(database: Database, text: str):
    """Whatever characters a session id or an answer holds, searching for them finds them, and never fails."""
    store = TraceStore(database)
    named = write_trace(database, session_id=f"<{text}>")
    said = write_trace(database, texts={"answer": f"<{text}>"})
    newest = store.list_traces(TraceFilter(keyword=f"<{text}>"), limit=2).items
    assert [item.trace_id for item in newest] == [said, named]
