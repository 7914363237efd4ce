"""JSON as nobody ought to send it: documents of any shape, and real ones with any value in any place."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from hypothesis import strategies as st

from tracekit.decoding import Decoder, Frame, Unreadable
from tracekit.transcript import Transcript
from tracekit.types import Framing

_LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=True)
    | st.text(max_size=8)
    | st.sampled_from(["", "0", "error", "text", "\x00", "\ud800"])
)
ANY_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def spoiled(draw: st.DrawFn, documents: Sequence[Any]) -> list[Any]:
    """A stream made of these documents in any order, with any JSON at places of theirs, and foreign ones between."""
    stream = draw(st.lists(st.sampled_from(documents).map(copy.deepcopy) | ANY_JSON, min_size=1, max_size=8))
    return [_spoil(draw, document) for document in stream]


def _spoil(draw: st.DrawFn, document: Any) -> Any:
    for _ in range(draw(st.integers(0, 2))):
        document = _replaced(document, draw(st.sampled_from([*_places(document)])), draw(ANY_JSON))
    return document


def _places(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path to every value in a document, its own first."""
    yield here
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in members:
        yield from _places(inner, (*here, name))


def _replaced(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    container = document
    for step in place[:-1]:
        container = container[step]
    container[place[-1]] = value
    return document


def assert_survives(make_decoder: Callable[[], Decoder], documents: Sequence[Any], framing: Framing) -> None:
    """Decode a stream of documents and sum it up: nothing but `Unreadable` may be raised."""
    decoder, transcript = make_decoder(), Transcript()
    for document in documents:
        try:
            for fact in decoder.feed(frame_of(document, framing)):
                transcript.add(fact)
        except Unreadable:
            continue
    for fact in decoder.finish():
        transcript.add(fact)
    json.dumps(transcript.summary().usage)


def frame_of(document: Any, framing: Framing = Framing.SSE) -> Frame:
    """A document as the frame that a server would send."""
    line = json.dumps(document).encode()
    return Frame(b"data: " + line + b"\n\n" if framing is Framing.SSE else line + b"\n", framing)
