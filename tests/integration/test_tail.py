"""`tracekit tail`: follow what is recorded by another process, from a terminal or in a pipe."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chat_events import DONE, chunk
from command_line import on, url_of
from exports import HOSTILE, a_chat, a_timeline, delta, is_harmless
from recorders import events, recording
from serving import environment_of_tests
from timed_traces import write_timed_trace
from trace_rows import START, Single, mixed, write_trace

from tracekit import Recorder
from tracekit.documents import event_document
from tracekit.store import Database, TraceStore
from tracekit.types import EndReason

# Those that set a colour, or show and hide the cursor.
_COLOURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[hl])")
_PATIENCE_S = 30


class Tail:
    """A `tracekit tail` that runs, and what it has printed so far."""

    def __init__(self, database: Database, *arguments: str, terminal: bool) -> None:
        ours, theirs = pty.openpty() if terminal else os.pipe()
        environment = environment_of_tests({"TERM": "xterm-256color", "COLUMNS": "90", "LINES": "24"})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tracekit", "tail", *arguments, "-d", url_of(database)],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
            env=environment,
        )
        os.close(theirs)
        self._ours = ours
        self._read = b""
        self._turn = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                piece = os.read(self._ours, 65536)
            except OSError:
                # Linux says so when the other end of a terminal is closed.
                piece = b""
            with self._turn:
                self._read += piece
                self._over = not piece
                self._turn.notify_all()
            if not piece:
                os.close(self._ours)
                return

    @property
    def out(self) -> str:
        """All that was printed."""
        return self._read.decode()

    def wait_for(self, text: str) -> None:
        """Wait until this was printed."""
        with self._turn:
            self._turn.wait_for(lambda: text in self.out or self._over, _PATIENCE_S)
        assert text in self.out, self.out

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for the end; the exit status, and what was said on standard error."""
        _, said = self.process.communicate(timeout=_PATIENCE_S)
        self._thread.join(_PATIENCE_S)
        return self.process.returncode, said.decode()


@contextmanager
def tailing(database: Database, *arguments: str, terminal: bool = False) -> Iterator[Tail]:
    """A command that follows while the block runs, or until it ends by itself."""
    tail = Tail(database, *arguments, terminal=terminal)
    try:
        yield tail
    finally:
        tail.process.kill()
        tail.end()


@pytest.fixture
def recorder(database: Database) -> Iterator[Recorder]:
    """A recorder into the database, on each kind of it."""
    with recording(url_of(database)) as recorder:
        yield recorder


def test_a_trace_that_has_ended_is_printed_an_event_a_line(database: Database) -> None:
    """In a pipe: number, moment, type and what it says; what a frame adds to the answer stands there in plain words."""
    trace_id = write_timed_trace(database, a_timeline(), **a_chat())
    done = on(database, "tail", trace_id)
    assert (done.status, done.err) == (0, "")
    assert [record[0] for record in done.records] == [str(number) for number in range(1, 14)]
    assert done.records[2] == ["3", "2023-11-14T22:13:20.500000Z", "stream.frame", "Hello "]
    assert [record[3] for record in done.records if record[2] == "stream.frame"] == [
        "Hello ", "world, ", "it was ", "May."
    ]  # fmt: skip
    assert [record[3] for record in done.records if record[2] == "tool.finished"] == ["web_search in 1 µs"]


def test_as_json_it_prints_the_documents_of_the_events(database: Database) -> None:
    """One object a line, as the API and the exports have them."""
    trace_id = write_trace(database, mixed(200), ended_at=START + 1)
    done = on(database, "tail", trace_id, "--json")
    assert [json.loads(line) for line in done.out.splitlines()] == [
        event_document(event) for event in TraceStore(database).iterate_events(trace_id)
    ]


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["lines", "json"])
def test_a_trace_is_followed_until_it_ends(recorder: Recorder, options: tuple[str, ...]) -> None:
    """Written by this process, read by another; each line comes while the trace still runs."""
    with recorder.trace("a run") as trace:
        assert recorder.flush(10).complete
        with tailing(recorder.database, "last", *options) as tail:
            tail.wait_for("process.started")
            for number in range(4):
                trace.log("tick", n=f"mark {number}")
                tail.wait_for(f"mark {number}")
            trace.finalize(EndReason.COMPLETED)
            trace.close()
            assert tail.end() == (0, "")
    assert len(tail.out.splitlines()) == len(events(recorder, trace.trace_id)) == 6


def test_a_stream_that_nobody_decodes_is_shown_as_it_came(database: Database) -> None:
    """Frames then stand for themselves."""
    trace_id = write_trace(database, [b"hello \xff\n\n", b"\x1b[2J\n\n"], ended_at=START + 1)
    done = on(database, "tail", trace_id)
    assert [record[3] for record in done.records] == ["hello \ufffd", "\\x1b[2J"]


def shown(text: str) -> list[str]:
    """The lines that a terminal ends up with, if it obeys the few sequences with which rich redraws a line."""
    lines, row = [""], 0
    for part in re.split(r"(\n|\x1b\[2K|\x1b\[\d*A)", _COLOURS.sub("", text.replace("\r", ""))):
        if part == "\n":
            row += 1
            lines += [""] if row == len(lines) else []
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        else:
            lines[row] += part
    return lines


def test_on_a_terminal_the_answer_grows_and_the_ending_is_told(database: Database) -> None:
    """Lines that are complete stay, with what happened between them; the last line says how it ended."""
    trace_id = write_timed_trace(database, a_timeline(), status="failed", end_reason="app_error", **a_chat())
    with tailing(database, trace_id, terminal=True) as tail:
        assert tail.end() == (0, "")
    lines = [line for line in shown(tail.out) if line]
    assert lines[0] == f"Trace {trace_id}"
    assert "│ Hello world, " in lines
    assert "│ it was May." in lines
    assert any("tool.started  web_search" in line for line in lines)
    assert lines[-1].startswith("Ended   failed: the app raised an error after 13.3 s")


def test_on_a_terminal_it_says_how_things_stand(recorder: Recorder) -> None:
    """How long nothing has come, which tools run, and each word of the answer as it comes."""
    with recorder.trace("a run") as trace:
        trace.log("tool.started", id="c-1", name="web_search")
        assert recorder.flush(10).complete
        with tailing(recorder.database, trace.trace_id, terminal=True) as tail:
            tail.wait_for("no frame yet")
            tail.wait_for("tool web_search for")
            trace.log("tool.finished", id="c-1", name="web_search")
            tail.wait_for("tool.finished")
            trace.finalize(EndReason.COMPLETED)
            trace.close()
            assert tail.end() == (0, "")
    assert [line for line in shown(tail.out) if line][-1].startswith("Ended   completed: the app finished its answer")


def test_nothing_recorded_can_harm_the_terminal(database: Database) -> None:
    """The only escape sequences are our own, and no recorded word passes for a line of ours."""
    frames = [delta(HOSTILE), chunk({"content": HOSTILE * 30}), delta("x" * 5000), DONE]
    hostile: dict[str, Any] = {"name": HOSTILE, HOSTILE: HOSTILE}
    timeline = [*frames, Single("tool.started", hostile), Single(HOSTILE[:20].replace("\0", ""), hostile)]
    trace_id = write_trace(database, timeline, **a_chat(path=HOSTILE[:-1], session_id=HOSTILE[:-1], framing="sse"))
    with tailing(database, trace_id, terminal=True) as tail:
        assert tail.end() == (0, "")
    for line in shown(tail.out):
        assert is_harmless(line)
        assert not line.startswith(("  PROMPT", "END OF TRACE"))
        assert len(line) <= 90 or not line.startswith("│")
    assert "x" * 80 in tail.out


def test_the_list_is_followed_until_ctrl_c(recorder: Recorder) -> None:
    """What runs is told first, then what begins and ends. Ctrl-C is told to the shell and to nobody else."""
    with recorder.trace("first") as first:
        assert recorder.flush(10).complete
        with tailing(recorder.database) as tail:
            tail.wait_for(f"running\t{first.trace_id}")
            with recorder.trace("second") as second:
                tail.wait_for(f"started\t{second.trace_id}")
            tail.wait_for(f"ended\t{second.trace_id}")
            tail.interrupt()
            assert tail.end() == (130, "")
    assert {len(line.split("\t")) for line in tail.out.splitlines()} == {11}


@pytest.mark.parametrize("options", [(), ("--json",)], ids=["table", "json"])
def test_the_list_on_a_terminal_or_as_json(recorder: Recorder, options: tuple[str, ...]) -> None:
    """A line for each change, with the id to copy."""
    name = "\x1b[2Ja run"
    with recorder.trace(name) as first:
        assert recorder.flush(10).complete
        with tailing(recorder.database, *options, terminal=not options) as tail:
            tail.wait_for(str(first.trace_id))
            with recorder.trace(name) as second:
                tail.wait_for(str(second.trace_id))
            tail.wait_for('"turn":"ended"' if options else "ended")
            tail.interrupt()
            assert tail.end() == (130, "")
    assert "\x1b[2J" not in tail.out
    if options:
        assert [json.loads(line)["turn"] for line in tail.out.splitlines()] == ["running", "started", "ended"]
    else:
        assert [line.split()[1] for line in shown(tail.out) if line] == ["running", "started", "ended"]


def test_ctrl_c_leaves_a_trace_and_a_terminal_as_they_were(recorder: Recorder) -> None:
    """The cursor is shown again."""
    with recorder.trace("a run") as trace:
        assert recorder.flush(10).complete
        with tailing(recorder.database, trace.trace_id, terminal=True) as tail:
            tail.wait_for("no frame yet")
            tail.interrupt()
            assert tail.end() == (130, "")
        assert "\x1b[?25h" in tail.out, tail.out
        assert tail.out.rindex("\x1b[?25h") > tail.out.rindex("\x1b[?25l")


def test_a_pipe_that_is_closed_ends_it_without_a_word(recorder: Recorder) -> None:
    """As with `tracekit tail last | head -1`."""
    with recorder.trace("a run") as trace:
        assert recorder.flush(10).complete
        ours, theirs = os.pipe()
        command = [sys.executable, "-m", "tracekit", "tail", "last", "-d", url_of(recorder.database)]
        tail = subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, env=environment_of_tests({}))
        os.close(theirs)
        assert b"process.started" in os.read(ours, 65536)
        os.close(ours)
        for number in range(20):
            trace.log("tick", n=number)
            if tail.poll() is not None:
                break
            threading.Event().wait(0.3)
        _, said = tail.communicate(timeout=_PATIENCE_S)
        assert (tail.returncode, said) == (0, b"")


def test_a_trace_that_is_not_there_is_not_found(database: Database) -> None:
    """With the exit status that says so."""
    assert on(database, "tail", "0" * 32).status == 3
    assert on(database, "tail", "last").status == 3
