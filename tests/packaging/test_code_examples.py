"""The examples of docs/code.md run, and what they say of themselves is recorded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tracekit
from tracekit.store import EventRecord

PAGE = (Path(__file__).parents[2] / "docs" / "code.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"^## (.+?)$\n.*?^```python$\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


def run_example(title: str) -> dict[str, Any]:
    """What the example under a heading defines."""
    names: dict[str, Any] = {}
    exec(compile(EXAMPLES[title], f"docs/code.md, {title}", "exec"), names)
    return names


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[tracekit.Recorder]:
    recorder = tracekit.Recorder(f"sqlite:///{tmp_path / 'code.db'}", settings={"task_trace_enabled": True})
    asyncio.run(recorder.started())
    yield recorder
    recorder.shutdown()


def events_of(recorder: tracekit.Recorder) -> list[EventRecord]:
    assert recorder.flush(30).complete
    (trace,) = recorder.store.list_traces().items
    return list(recorder.store.iterate_events(trace.trace_id))


def payloads(events: list[EventRecord], event_type: str) -> list[dict[str, Any]]:
    return [event.payload or {} for event in events if event.event_type == event_type]


def test_the_notes_stand_in_the_trace(recorder: tracekit.Recorder) -> None:
    """What an app logs is an event; what it annotates is a column."""
    with recorder.trace("example"):
        run_example("Notes on the running request")["save"](["a", "b"])
    (progress,) = payloads(events_of(recorder), "persist.progress")
    assert progress["saved"] == 2
    assert recorder.store.list_traces().items[0].session_id == "c-42"


def test_the_tool_calls_stand_in_the_trace(recorder: tracekit.Recorder) -> None:
    """Both forms record name, arguments and result."""
    names = run_example("Tool calls")
    with recorder.trace("example"):
        names["get_weather"]("Oslo")
        names["search"]("tea")
    finished = payloads(events_of(recorder), "tool.finished")
    assert [(call["name"], call["arguments"]) for call in finished] == [
        ("get_weather", {"city": "Oslo"}),
        ("web_search", {"q": "tea"}),
    ]


def test_the_step_stands_in_the_trace(recorder: tracekit.Recorder) -> None:
    """A span has a beginning and an end."""
    with recorder.trace("example"):
        run_example("Steps")["fetch"]()
    types = [event.event_type for event in events_of(recorder)]
    assert types.index("span.started") < types.index("span.finished")


def test_the_job_is_a_trace_of_its_own(recorder: tracekit.Recorder) -> None:
    """Its name, session, phases and work items are recorded."""
    run_example("Jobs outside of HTTP")["nightly"](recorder)
    types = [event.event_type for event in events_of(recorder)]
    assert {"process.started", "phase.entered", "work_item.progress", "phase.exited", "trace.finished"} <= {*types}
    (trace,) = recorder.store.list_traces().items
    assert (trace.name, trace.session_id, trace.status) == ("nightly-import", "import-7", "completed")


def test_a_saved_stream_is_read_without_a_database() -> None:
    """The example's own assertions hold."""
    assert run_example("Tests")["recorded"].text == "Hello"


@pytest.mark.parametrize("name", [name for name in tracekit.__all__ if not name.startswith("_")])
def test_every_public_name_is_documented(name: str) -> None:
    """Each name that `import tracekit` gives stands in a document."""
    docs = Path(__file__).parents[2] / "docs"
    assert any(re.search(rf"\b{name}\b", page.read_text(encoding="utf-8")) for page in docs.glob("*.md"))
