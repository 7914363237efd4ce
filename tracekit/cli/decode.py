"""`tracekit decode`: what saved streams say."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from tracekit.cli.exit_codes import ExitCode
from tracekit.cli.opening import options
from tracekit.cli.options import AsJson
from tracekit.cli.output import Column, Line, print_lines
from tracekit.plugins import PluginHost
from tracekit.saved_streams import SavedResponse, read_response
from tracekit.terminal_text import fit, one_line
from tracekit.trace import HttpHead
from tracekit.transcript import Summary, ToolCall

__all__ = ["app"]

app = typer.Typer(add_completion=False)

_SSE = ((b"content-type", b"text/event-stream"),)
_LINES = ((b"content-type", b"application/x-ndjson"),)
_DATA_STREAM = ((b"content-type", b"text/plain; charset=utf-8"), (b"x-vercel-ai-data-stream", b"v1"))
_JSON = ((b"content-type", b"application/json"),)

# Response headers of a saved stream, by the ending of its name.
_WALKED = {".sse": _SSE, ".ndjson": _LINES, ".txt": _DATA_STREAM}
_NAMED = _WALKED | {".jsonl": _LINES, ".json": _JSON}

_COLUMNS = (
    Column("File"),
    Column("Format"),
    Column("Model", rank=3),
    Column("Answer", rank=2),
    Column("Tool calls", rank=4),
    Column("Tokens", right=True, rank=5),
    Column("Ended", rank=1),
)
_WIDEST = 40


class _File(NamedTuple):
    """A saved stream, and the name it is shown under."""

    path: Path
    name: str


@app.command()
def decode(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="FILE|DIR...", help="Saved streams, or folders of them.", show_default=False),
    ],
    as_json: AsJson = False,
) -> None:
    """Say what saved streams say: .sse server-sent events, .ndjson JSON lines, .txt the data stream protocol v1.

    Of a folder, all files with these endings are read, those of its folders too. Exits 1 if a file cannot be read.
    """
    found = options()
    host = PluginHost.load(found.plugins_dir, off=found.plugins_left_out)
    failed: list[_File] = []
    print_lines(_COLUMNS, _lines(_files(paths), host, failed), as_json=as_json)
    if failed:
        raise typer.Exit(ExitCode.FAILED)


def _files(paths: Sequence[Path]) -> Iterator[_File]:
    for path in paths:
        if path.is_dir():
            yield from _walked(path)
        else:
            yield _File(path, str(path))


def _walked(folder: Path) -> Iterator[_File]:
    found = [
        Path(inside, name) for inside, _, names in os.walk(folder) for name in names if Path(name).suffix in _WALKED
    ]
    if not found:
        sys.stderr.write(f"tracekit: no file in {one_line(str(folder))} ends in {', '.join(_WALKED)}\n")
    yield from sorted((_File(path, path.relative_to(folder).as_posix()) for path in found), key=lambda file: file.name)


def _lines(files: Iterator[_File], host: PluginHost, failed: list[_File]) -> Iterator[Line]:
    for file in files:
        try:
            read = _read(file.path, host)
        except Exception as error:  # noqa: BLE001 - one file never costs the others
            failed.append(file)
            message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            yield _line(_document(file, "unknown", Summary()) | {"error": {"message": message or type(error).__name__}})
        else:
            yield _line(_document(file, read.wire_format, read.summary))


def _read(path: Path, host: PluginHost) -> SavedResponse:
    http = HttpHead("POST", "/", b"", [], None, status=200)
    http.response_headers = list(_NAMED.get(path.suffix, _SSE))
    return read_response(http, [path.read_bytes()], host)


def _document(file: _File, wire_format: str, said: Summary) -> dict[str, Any]:
    return {
        "file": file.name,
        "wire_format": wire_format,
        "text": said.text,
        "reasoning": said.reasoning,
        "tool_calls": [_call(call) for call in said.tool_calls],
        "usage": said.usage,
        "finish_reason": said.finish_reason,
        "model": said.model,
        "error": None if said.error is None else _without_nulls(message=said.error.message, code=said.error.code),
    }


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "name": call.name, "arguments": call.arguments}


def _without_nulls(**facts: Any) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}


def _line(document: dict[str, Any]) -> Line:
    error = (document["error"] or {}).get("message")
    calls = ", ".join(call["name"] or "?" for call in document["tool_calls"])
    facts = [document["file"], document["wire_format"], document["model"], document["text"], calls]
    facts += [_tokens(document["usage"] or {}), document["finish_reason"]]
    shown = [*facts[:-1], error or facts[-1]]
    cells = [document["file"], *("" if fact is None else fit(str(fact), _WIDEST) for fact in shown[1:])]
    return Line(document, [*facts, error], cells, {0: "bold", 6: "red" if error else ""})


def _tokens(usage: dict[str, int | float]) -> str:
    counts = [usage.get("input_tokens"), usage.get("output_tokens")]
    return "" if counts == [None, None] else " / ".join("?" if count is None else f"{count:,}" for count in counts)
