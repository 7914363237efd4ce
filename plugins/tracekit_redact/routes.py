"""`POST /api/redaction/test`: what would be stored of a sample."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracekit import json_text
from tracekit.decoding import Frame, StreamHead
from tracekit.masking import Mask
from tracekit.plugins import PluginHost
from tracekit.redaction import StreamItem
from tracekit.stream_decoder import StreamDecoder
from tracekit.trace import TraceInfo
from tracekit.types import Framing
from tracekit_redact.redactor import SecretRedactor

if TYPE_CHECKING:
    from tracekit.recorder import Recorder

__all__ = ["sample_route"]

_PATH = "/api/redaction/test"
_MOST_BYTES = 1024 * 1024
_MOST_FRAMES = 10_000
_SORTS = ("text", "json", "frames")

MakeRedactor = Callable[[], SecretRedactor]


class _Refused(Exception):
    """A request that is not answered, with its HTTP status."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status = status


def sample_route(recorder: Recorder, make_redactor: MakeRedactor) -> Route:
    """The route. All redactors of the recorder mask the sample; `make_redactor` gives the one that tells the kinds."""
    samples = _Samples(recorder.plugins, recorder.options.environment, make_redactor)
    return Route(_PATH, samples.answer, methods=["POST"], name="redaction-test")


class _Samples:
    """Masks samples as the recorder masks what it stores."""

    def __init__(self, plugins: PluginHost, environment: str, make_redactor: MakeRedactor) -> None:
        self._plugins = plugins
        self._environment = environment
        self._make_redactor = make_redactor

    async def answer(self, request: Request) -> Response:
        """Say what would be stored of a sample: of a text, a JSON value, or the frames of a stream."""
        try:
            sort, sample = _sample(await _body(request))
            document = await run_in_threadpool(self._stored, sort, sample)
        except _Refused as refused:
            return _problem(refused)
        return Response(json_text.encode_bytes(document), media_type="application/json")

    def _stored(self, sort: str, sample: Any) -> dict[str, Any]:
        redactor = self._make_redactor()
        mask = Mask(self._plugins, self._plugins.redactors(TraceInfo("0" * 32, self._environment, _ignore)))
        if sort != "frames":
            redactor.value(sample)
            return {"stored": mask.value(sample), "kinds": dict(redactor.kinds)}
        told, stored = _items(self._plugins, sample), _items(self._plugins, sample)
        redactor.stream(told, final=True)
        mask.stream(stored, final=True)
        return {"stored": [item.raw.decode("utf-8", "replace") for item in stored], "kinds": dict(redactor.kinds)}


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_BYTES:
            raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The body is longer than {_MOST_BYTES} bytes.")
    return bytes(body)


def _sample(body: bytes) -> tuple[str, Any]:
    """What the body asks about: the name of its one member, and that member."""
    try:
        document = json_text.decode(body)
    except ValueError as error:
        raise _wrong(f"The body is no JSON: {error}") from None
    if not isinstance(document, dict) or len(document) != 1 or next(iter(document)) not in _SORTS:
        raise _wrong(f"The body must be an object with one member: {', '.join(_SORTS)}.")
    ((sort, sample),) = document.items()
    if sort == "text" and not isinstance(sample, str):
        raise _wrong("text must be a string.")
    if sort == "frames" and not _are_frames(sample):
        raise _wrong(f"frames must be a list of strings, at most {_MOST_FRAMES}.")
    return sort, sample


def _are_frames(sample: Any) -> bool:
    return isinstance(sample, list) and len(sample) <= _MOST_FRAMES and all(isinstance(frame, str) for frame in sample)


def _wrong(detail: str) -> _Refused:
    return _Refused(HTTPStatus.UNPROCESSABLE_ENTITY, detail)


def _ignore(_event_type: str, /, **_payload: Any) -> None:
    """A sample has no trace to which a plugin could add events."""


def _items(plugins: PluginHost, frames: Sequence[str]) -> list[StreamItem]:
    """The frames, each with what a decoder reads in it."""
    items = [StreamItem(frame.encode("utf-8", "replace")) for frame in frames]
    decoder = StreamDecoder(plugins, StreamHead(path="/", status=200, framing=Framing.SSE))
    facts = [read for item in items for read in decoder.feed(Frame(item.raw))]
    for item, read in zip(items, [*facts, *decoder.settle()], strict=True):
        item.facts = read
    return items


def _problem(refused: _Refused) -> Response:
    document = {"type": "about:blank", "title": refused.status.phrase, "status": refused.status, "detail": str(refused)}
    return Response(json_text.encode_bytes(document), refused.status, media_type="application/problem+json")
