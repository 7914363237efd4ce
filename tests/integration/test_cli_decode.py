"""`tracekit decode`: saved streams read from files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import tracekit, tracekit_on_terminal
from exports import HOSTILE, delta, is_harmless
from stream_corpus import recorded_streams

from tracekit.terminal_text import width

FINISH = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'


def decoded(*paths: Path | str) -> list[dict[str, Any]]:
    done = tracekit("decode", *map(str, paths), "--json")
    assert (done.status, done.err) == (0, "")
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_folder_is_read_with_all_that_lies_in_it(tmp_path: Path) -> None:
    """Each stream is one object, named by its place in the folder; other files are passed over."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.sse").write_bytes(delta("Hello ") + delta("world") + FINISH)
    (tmp_path / "a.ndjson").write_bytes(b'{"delta": "one "}\n{"delta": "two"}\n')
    (tmp_path / "c.txt").write_bytes(b'0:"plain "\n0:"words"\n')
    (tmp_path / "README.md").write_bytes(b"data: not a stream\n\n")
    found = decoded(tmp_path)
    assert [(stream["file"], stream["text"]) for stream in found] == [
        ("a.ndjson", "one two"), ("c.txt", "plain words"), ("deep/b.sse", "Hello world"),
    ]  # fmt: skip
    assert found[2].keys() == {
        *("file", "wire_format", "text", "reasoning", "tool_calls", "usage", "finish_reason", "model", "error")
    }
    assert found[2]["finish_reason"] == "stop"


def test_a_file_is_named_as_it_was_given(tmp_path: Path) -> None:
    """Several files may come from several places."""
    (tmp_path / "a.sse").write_bytes(delta("x"))
    (tmp_path / "b.sse").write_bytes(b"")
    paths = [str(tmp_path / "a.sse"), str(tmp_path / "b.sse")]
    assert [(stream["file"], stream["text"]) for stream in decoded(*paths)] == list(zip(paths, ["x", ""], strict=True))


def test_a_saved_stream_cannot_harm_the_terminal(tmp_path: Path) -> None:
    """What it says is shown as text, in a table that fits."""
    (tmp_path / "x.sse").write_bytes(delta(HOSTILE) + FINISH)
    done = tracekit_on_terminal("decode", str(tmp_path), columns=80)
    lines = done.out.replace("\x1b[1m", "").replace("\x1b[2m", "").replace("\x1b[0m", "").splitlines()
    assert done.status == 0
    assert all(map(is_harmless, lines))
    assert max(map(width, lines)) <= 80


def test_a_file_that_cannot_be_read_costs_the_others_nothing(tmp_path: Path) -> None:
    """It has its line too, with what is wrong, and the status says that not all was read."""
    (tmp_path / "a.sse").write_bytes(delta("x"))
    done = tracekit("decode", str(tmp_path / "nothing.sse"), str(tmp_path / "a.sse"), "--json")
    missing, read = map(json.loads, done.out.splitlines())
    assert done.status == 1
    assert missing["error"]["message"] == "No such file or directory"
    assert (read["error"], read["text"]) == (None, "x")


@pytest.mark.skipif(not recorded_streams(), reason="TRACEKIT_STREAMS names no folder with recorded streams")
def test_every_recorded_stream_says_what_an_independent_client_read() -> None:
    """Over the whole corpus, in one command."""
    streams = recorded_streams()
    folder = streams[0].path.parents[len(Path(streams[0].entry["file"]).parts) - 1]
    found = {stream["file"]: stream for stream in decoded(folder)}
    wrong = [
        (stream.entry["file"], key)
        for stream in streams
        for key in ("text", "reasoning", "finish_reason", "model")
        if key in stream.expected and (found[stream.entry["file"]][key] or None) != (stream.expected[key] or None)
    ]
    assert wrong == []
