"""The recorded streams that decoders are tested against, and how a decoder's answer is compared with them.

The folder is named by the environment variable `TRACEKIT_STREAMS`; it holds `manifest.json` and the files that the
manifest lists, each with what an independent client made of the same bytes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from tracekit import hookspecs
from tracekit.decoding import Claim, Decoder, Frame, StreamHead, Unreadable
from tracekit.sse import is_keepalive, next_boundary
from tracekit.transcript import Choice, Summary, ToolCall, Transcript
from tracekit.types import Framing

SURE = 0.8
MOST_FRAMES_ASKED = 16
_TOP_LEVEL = ("text", "text_parts", "reasoning", "reasoning_parts", "finish_reason", "model", "refusal")
_CHOICE_KEYS = ("text", "reasoning", "finish_reason")
_EXTRA = (
    "server_items", "server_parts", "tool_plan", "block_reason", "stop_sequence", "finish_detail",
    "message_metadata", "data_parts", "blocks", "usage_per_message", "endpoint",
)  # fmt: skip

_RESPONSES: dict[str, dict[str, Any]] = {
    ".sse": {"content_type": "text/event-stream"},
    ".ndjson": {"content_type": "application/x-ndjson"},
    ".txt": {"content_type": "text/plain; charset=utf-8", "headers": {"x-vercel-ai-data-stream": "v1"}},
}


@dataclass(frozen=True)
class RecordedStream:
    """One file of the corpus with its entry in the manifest."""

    path: Path
    entry: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        """The bytes of the response."""
        return self.path.read_bytes()

    @property
    def format(self) -> str:
        """The name of the decoder family."""
        return str(self.entry["format"])

    @property
    def expected(self) -> Mapping[str, Any]:
        """What an independent client made of it; a key that is absent is not asserted."""
        expected: Mapping[str, Any] = self.entry["expected"]
        return expected

    @property
    def expected_as_sent(self) -> Mapping[str, Any]:
        """The same, but for arguments that were cut off in mid-stream, which some clients mend by guessing: the text
        itself."""
        calls = self.expected.get("tool_calls")
        return self.expected if calls is None else {**self.expected, "tool_calls": [*map(_as_sent, calls)]}

    @property
    def framing(self) -> Framing:
        """How the body is cut, as the ending of the file name says."""
        return Framing.SSE if self.path.suffix == ".sse" else Framing.NDJSON

    @property
    def response(self) -> dict[str, Any]:
        """The content type and the headers that the response had, as arguments of `record_stream`."""
        return _RESPONSES[self.path.suffix]


def _as_sent(call: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        json.loads(call.get("arguments_raw") or "{}")
    except ValueError:
        return {**call, "arguments": call["arguments_raw"]}
    return call


@cache
def recorded_streams() -> tuple[RecordedStream, ...]:
    """Every stream of the corpus; empty where there is no corpus."""
    folder = Path(os.environ.get("TRACEKIT_STREAMS") or "no-such-folder")
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        return ()
    return tuple(RecordedStream(folder / entry["file"], entry) for entry in json.loads(manifest.read_bytes()))


def cases(*formats: str) -> list[Any]:
    """The streams of some formats (of all, where none is named) as pytest parameters.

    Without a corpus there is one parameter, which is skipped and says why; tests that need no corpus still run.
    """
    if not recorded_streams():
        reason = "TRACEKIT_STREAMS names no folder with recorded streams"
        return [pytest.param(None, id="no-corpus", marks=pytest.mark.skip(reason=reason))]
    chosen = [stream for stream in recorded_streams() if not formats or stream.format in formats]
    return [pytest.param(stream, id=stream.entry["file"]) for stream in chosen]


def frames_of(body: bytes, framing: Framing = Framing.SSE) -> list[Frame]:
    """A whole body cut into frames, keepalives left out; what follows the last boundary is a frame as well."""
    if framing is Framing.WHOLE:
        return [Frame(body, framing)]
    if framing is Framing.NDJSON:
        return [Frame(line, framing) for line in body.splitlines(keepends=True) if line.strip()]
    return [Frame(raw, framing) for raw in _events(body) if not is_keepalive(raw)]


def _events(body: bytes) -> Iterator[bytes]:
    start = 0
    while (end := next_boundary(body, start, end_of_stream=True)) != -1:
        yield body[start:end]
        start = end
    if start < len(body):
        yield body[start:]


def sse_body(*payloads: Any) -> bytes:
    """Made-up events, one a payload: text as it is, anything else as JSON, `(event, payload)` with an event name."""
    return b"".join(_sse_event(payload) for payload in payloads)


def _sse_event(payload: Any) -> bytes:
    if isinstance(payload, tuple):
        name, payload = payload
        return f"event: {name}\n".encode() + _sse_event(payload)
    text = payload if isinstance(payload, str) else json.dumps(payload)
    return f"data: {text}\n\n".encode()


def stream_head(
    framing: Framing = Framing.SSE,
    path: str = "/",
    request_headers: Mapping[str, str] | None = None,
    response_headers: Mapping[str, str] | None = None,
    request_body: Any = None,
) -> StreamHead:
    """The head of a response that was answered with 200."""
    return StreamHead(path, 200, framing, request_headers or {}, response_headers or {}, request_body)


def surest_claim(plugin: ModuleType, head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """The plugin's claim on these first frames, asked through pluggy as the recorder asks."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    manager.register(plugin)
    claims = manager.hook.tracekit_stream_decoder(head=head, frames=frames)
    return max(claims, key=lambda claim: claim.certainty, default=None)


def claim_of(plugin: ModuleType, head: StreamHead, frames: Sequence[Frame]) -> Claim | None:
    """The claim that holds: asked with one frame, then with more until it is sure."""
    claim = None
    for count in range(1, MOST_FRAMES_ASKED + 1):
        claim = surest_claim(plugin, head, frames[:count])
        if (claim is not None and claim.certainty >= SURE) or count >= len(frames):
            break
    return claim


def decode_body(
    plugin: ModuleType,
    body: bytes,
    *,
    framing: Framing = Framing.SSE,
    path: str = "/",
    request_headers: Mapping[str, str] | None = None,
    response_headers: Mapping[str, str] | None = None,
    request_body: Any = None,
) -> Summary:
    """What a plugin makes of a whole body; fails the test where the plugin does not claim the stream."""
    frames = frames_of(body, framing)
    claim = claim_of(plugin, stream_head(framing, path, request_headers, response_headers, request_body), frames)
    assert claim is not None, "no decoder claims this stream"
    return decode_frames(claim.decoder(), frames)


def decode_frames(decoder: Decoder, frames: Sequence[Frame]) -> Summary:
    """What a decoder makes of frames. Frames that it cannot read are counted in `extra["unreadable_frames"]`."""
    transcript, unreadable = Transcript(), 0
    for frame in frames:
        try:
            for fact in decoder.feed(frame):
                transcript.add(fact)
        except Unreadable:
            unreadable += 1
    for fact in decoder.finish():
        transcript.add(fact)
    summary = transcript.summary()
    if unreadable:
        summary.extra["unreadable_frames"] = unreadable
    return summary


def assert_as_expected(summary: Summary, expected: Mapping[str, Any]) -> None:
    """Fail, and name every difference, where a summary is not what the manifest expects."""
    differences = [*_differences(summary, expected)]
    assert not differences, "\n".join(differences)


def _differences(summary: Summary, expected: Mapping[str, Any]) -> Iterator[str]:
    for key in _TOP_LEVEL:
        if key in expected:
            yield from _compare(key, getattr(summary, key), expected[key])
    for key in _EXTRA:
        if key in expected:
            yield from _compare(key, summary.extra.get(key), expected[key])
    if "tool_calls" in expected:
        yield from _compare_calls("tool_calls", summary.tool_calls, expected["tool_calls"])
    if "usage" in expected:
        yield from _compare_usage(summary.usage, expected["usage"])
    if "error" in expected:
        yield from _compare_error(summary, expected["error"])
    if "choices" in expected:
        yield from _compare_choices(summary.choices, expected["choices"])
    if "sources" in expected:
        yield from _compare("sources", _count(summary.extra.get("sources")), _count(expected["sources"]))
    if "tool_results" in expected:
        yield from _compare("tool_results", _tool_results(summary), expected["tool_results"])


def _compare(what: str, found: Any, wanted: Any) -> Iterator[str]:
    if found != wanted:
        yield f"{what}: found {found!r}, expected {wanted!r}"


def _compare_calls(what: str, found: Sequence[ToolCall], wanted: Sequence[Mapping[str, Any]] | None) -> Iterator[str]:
    yield from _compare(f"{what} (names)", [call.name for call in found], [call["name"] for call in wanted or ()])
    for number, (call, want) in enumerate(zip(found, wanted or (), strict=False)):
        for key in ("id", "name", "arguments", "arguments_raw", "kind"):
            if key in want:
                yield from _compare(f"{what}[{number}].{key}", getattr(call, key), want[key])
        if "output" in want:
            yield from _compare(f"{what}[{number}].result", call.result, want["output"])


def _compare_usage(found: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None) -> Iterator[str]:
    if wanted is None:
        yield from _compare("usage", found, None)
    for name, count in (wanted or {}).items():
        yield from _compare(f"usage.{name}", (found or {}).get(name), count)


def _compare_error(summary: Summary, wanted: Mapping[str, Any] | None) -> Iterator[str]:
    if wanted is None or summary.error is None:
        yield from _compare("error", summary.error, wanted)
        return
    for key in ("message", "code"):
        if key in wanted:
            yield from _compare(f"error.{key}", getattr(summary.error, key), wanted[key])


def _compare_choices(found: Sequence[Choice], wanted: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from _compare("number of choices", len(found), len(wanted))
    for choice, want in zip(found, wanted, strict=False):
        what = f"choices[{want.get('index')}]"
        for key in _CHOICE_KEYS:
            if key in want:
                yield from _compare(f"{what}.{key}", getattr(choice, key), want[key])
        if "tool_calls" in want:
            yield from _compare_calls(f"{what}.tool_calls", choice.tool_calls, want["tool_calls"])


def _count(sources: Any) -> Any:
    return len(sources) if isinstance(sources, list) else sources


def _tool_results(summary: Summary) -> Any:
    """Noted by the decoder where calls and results are not told in pairs, else read from the calls."""
    if "tool_results" in summary.extra:
        return summary.extra["tool_results"]
    return [{"id": call.id, "content": call.result} for call in summary.tool_calls if call.has_result]
