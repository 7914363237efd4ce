"""What a decoder is told, and what it answers.

A decoder plugin answers `tracekit_stream_decoder` with a `Claim`; the recorder then feeds every frame to the
decoder of the surest claim. The decoder turns frames into facts, and `Transcript` gathers facts into a `Summary`.
Nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeGuard

import msgspec

from tracekit import json_text
from tracekit.sse import BOM, is_plain, parse_fields, plain_data
from tracekit.types import Framing

__all__ = [
    "Claim",
    "Decoder",
    "Ended",
    "Fact",
    "Failed",
    "Finished",
    "Frame",
    "ModelNamed",
    "Noted",
    "QuickDecoder",
    "Reasoning",
    "Refusal",
    "StreamHead",
    "Text",
    "ToolArguments",
    "ToolFinished",
    "ToolResult",
    "ToolStarted",
    "Unreadable",
    "Usage",
]


@dataclass(frozen=True, slots=True)
class StreamHead:
    """What is known of a response before its first frame. Header names are lower case."""

    path: str
    status: int
    framing: Framing
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: Mapping[str, str] = field(default_factory=dict)
    request_body: Any = None
    """The request's JSON document, None where it had none."""

    @property
    def content_type(self) -> str:
        """The media type of the response, lower case, without parameters."""
        return self.response_headers.get("content-type", "").partition(";")[0].strip().lower()


_NOT_PARSED = object()
_SSE = Framing.SSE


class Unreadable(ValueError):
    """A frame that its decoder cannot read. It is kept and counted as undecoded; the stream goes on."""


class Frame(msgspec.Struct):
    """One event of the stream as it was sent; the parsed forms are worked out when first asked for."""

    raw: bytes
    framing: Framing = Framing.SSE
    offset_us: int = 0
    _data: bytes | None = None
    _event: str | None = None
    _json: Any = _NOT_PARSED

    def _parse(self) -> bytes:
        if self.framing is not _SSE:
            data = self.raw.removeprefix(BOM).strip()
        elif is_plain(self.raw):
            data = plain_data(self.raw)
        else:
            fields = parse_fields(self.raw)
            self._event, data = fields.event, fields.data or b""
        self._data = data
        return data

    @property
    def event(self) -> str | None:
        """The `event:` field of a server-sent event, None where there is none."""
        if self._data is None:
            self._parse()
        return self._event

    @property
    def data(self) -> bytes:
        """The payload: the joined `data:` lines, or the line of an NDJSON stream. Empty where there is none."""
        return self._parse() if self._data is None else self._data

    @property
    def text(self) -> str:
        """The payload as text; bytes that are not UTF-8 become U+FFFD."""
        return self.data.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The payload as a JSON value.

        Raises:
            Unreadable: the payload is no JSON.
        """
        if self._json is _NOT_PARSED:
            try:
                self._json = json_text.decode(self.data)
            except ValueError as error:
                raise Unreadable(str(error)) from None
        return self._json

    @property
    def object(self) -> dict[str, Any]:
        """The payload as a JSON object.

        Raises:
            Unreadable: the payload is no JSON, or JSON of another kind.
        """
        value = self.json
        if not isinstance(value, dict):
            raise Unreadable("a JSON object was expected")
        return value


class Text(msgspec.Struct, frozen=True):
    """A piece of the answer. `part` tells content blocks or messages apart, `choice` parallel answers."""

    text: str
    part: Hashable = None
    choice: int = 0


class Reasoning(msgspec.Struct, frozen=True):
    """A piece of what the model thought aloud."""

    text: str
    part: Hashable = None
    choice: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """A piece of a refusal; `reason` is the provider's word where it gives one instead of text."""

    text: str = ""
    reason: str | None = None


class ToolStarted(msgspec.Struct, frozen=True):
    """A tool call begins, or more of its head is known. `key` is the decoder's own name for the call within the
    stream; id and name may come later, in another ToolStarted of the same key. Saying it again is harmless."""

    key: Hashable
    id: str | None = None
    name: str | None = None
    kind: str | None = None
    choice: int = 0


class ToolArguments(msgspec.Struct, frozen=True):
    """A piece of a call's arguments, as the provider's text."""

    key: Hashable
    text: str


class ToolFinished(msgspec.Struct, frozen=True):
    """A call's arguments are complete. `arguments` is their value where the stream states it whole; left out, the
    pieces are joined and parsed (text that is no JSON stays text)."""

    key: Hashable
    arguments: Any = ...


class ToolResult(msgspec.Struct, frozen=True):
    """What a tool answered, where the stream has it."""

    key: Hashable
    result: Any
    is_error: bool = False


class Usage(msgspec.Struct, frozen=True):
    """Token counts of the provider, under common names: `input_tokens`, `output_tokens`, `total_tokens`,
    `reasoning_tokens`, `cached_input_tokens`, `cache_read_input_tokens`, ... Counts of several Usage facts are
    merged, a later number replacing an earlier one; None says nothing."""

    counts: Mapping[str, int | float | None]

    @classmethod
    def renamed(cls, counts: object, names: Mapping[str, str]) -> Usage:
        """The counts of a provider's usage object under common names; `names` leads from theirs to ours.

        What is no count is left out, and anything but an object holds none.
        """
        if not isinstance(counts, dict):
            return cls({})
        return cls({ours: count for theirs, ours in names.items() if _is_count(count := counts.get(theirs))})


def _is_count(value: object) -> TypeGuard[int | float]:
    """Whether a value can be a token count: a number, and one that a column of 64 bits takes. NaN is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**63


class ModelNamed(msgspec.Struct, frozen=True):
    """The model that answers, in the provider's words. The first name that is not empty holds, unless a later one
    `supersedes` it: another model took over in mid-stream."""

    model: str
    supersedes: bool = False


class Finished(msgspec.Struct, frozen=True):
    """The provider's own word for why the answer ended; the last one holds."""

    reason: str
    choice: int = 0


class Failed(msgspec.Struct, frozen=True):
    """An error inside the stream; the first one holds."""

    message: str
    code: str | None = None


class Noted(msgspec.Struct, frozen=True):
    """A further fact of one format, kept in the summary's `extra` under `name`; a later value replaces it."""

    name: str
    value: Any


class Ended(msgspec.Struct, frozen=True):
    """The format's own end of stream was seen (`[DONE]`, `message_stop`): whoever leaves now has the whole answer."""


Fact = (
    Text | Reasoning | Refusal | ToolStarted | ToolArguments | ToolFinished | ToolResult
    | Usage | ModelNamed | Finished | Failed | Noted | Ended
)  # fmt: skip


class Decoder(Protocol):
    """Turns the frames of one stream into facts. Made anew for each stream; used on one thread."""

    wire_format: str
    """The format's name, as `task_traces.wire_format` shows it."""

    def feed(self, frame: Frame) -> Iterable[Fact]:
        """The facts of one frame, keepalives excepted: those are never fed.

        Raises:
            Unreadable: the frame is not of this format. Any other exception counts as a fault of the plugin.
        """

    def finish(self) -> Iterable[Fact]:
        """Facts that are known only once the stream has ended, however it ended."""


class QuickDecoder(Decoder, Protocol):
    """A decoder that may read the usual frames of its format many at a time."""

    def feed_plain(self, data: Sequence[bytes]) -> Sequence[Sequence[Fact]]:
        """The facts of server-sent events that have one data line each, and nothing else: of the first of them, as
        far as they are usual ones. That may be all or none; the next one is fed by itself."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A plugin's answer to "is this stream yours?".

    `certainty` runs from 0 to 1: 1.0 a header names the format; 0.9 a frame could hardly be of another;
    0.5 it looks like it; 0.1 readable as a last resort. Below 0.8 the question is put again with more frames.
    """

    certainty: float
    decoder: Callable[[], Decoder]

    def __post_init__(self) -> None:
        """Raises ValueError, or TypeError, for a certainty that is no number from 0 to 1."""
        if not 0 <= self.certainty <= 1:
            raise ValueError(f"a certainty runs from 0 to 1, not {self.certainty!r}")
